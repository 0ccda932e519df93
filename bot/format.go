package bot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// bytesOf writes a size with its unit; a loss keeps its sign.
func bytesOf(n int64) string {
	f, sign := float64(n), ""
	if n < 0 {
		f, sign = -f, "−"
	}
	if name, by := unitOf(n); by > 1 {
		return sign + short(f/by) + " " + name
	}
	return sign + strconv.FormatFloat(f, 'f', -1, 64) + " B"
}

// unitOf is the unit a size is written in, and its bytes.
func unitOf(n int64) (name string, by float64) {
	for _, u := range []struct {
		by   float64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if math.Abs(float64(n)) >= u.by*0.9995 {
			return u.name, u.by
		}
	}
	return "B", 1
}

// short keeps three digits or all before the point.
func short(f float64) string {
	if f >= 99.95 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

// span writes a duration as people say it: seconds up to two minutes, then minutes, then hours.
func (l Locale) span(d time.Duration) string {
	s := int64(math.Round(d.Seconds()))
	switch {
	case d > 0 && d < time.Second:
		return l.text(kUnitMS, args{"n": plain(strconv.FormatInt(max(1, d.Milliseconds()), 10))})
	case s < 120:
		return l.text(kUnitS, args{"n": plain(strconv.FormatInt(s, 10))})
	case s < 7200:
		return l.text(kUnitMin, args{"n": plain(strconv.FormatInt((s+30)/60, 10))})
	}
	m := (s + 30) / 60
	return l.text(kUnitHour, args{"h": plain(strconv.FormatInt(m/60, 10)), "m": plain(fmt.Sprintf("%02d", m%60))})
}

// about writes an estimate: whole minutes above one, never a false precision.
func (l Locale) about(d time.Duration) string {
	if d > time.Minute {
		d = d.Round(time.Minute)
	}
	return l.text(kAbout, args{"d": plain(l.span(d))})
}

// percent writes a share.
func percent(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	return strconv.FormatFloat(math.Round(f*100), 'f', 0, 64) + " %"
}

// share is part of whole, 0 where there is no whole.
func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// bar draws a share; it is full only at exactly one.
func bar(f float64) string {
	const width = 20
	n := int(math.Floor(max(0, min(1, f)) * width))
	return strings.Repeat("▓", n) + strings.Repeat("░", width-n)
}

// clip cuts on a character and says so.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	rs := []rune(s)
	if len(rs) <= n {
		return s
	}
	return string(rs[:n-1]) + "…"
}

// columns is the width of a text in a fixed-width font: East Asian characters take two.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && (unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) ||
			(r >= 0x3000 && r <= 0x303f) || (r >= 0xff00 && r <= 0xff60) || r >= 0x1f300):
			n += 2
		default:
			n++
		}
	}
	return n
}
