package bot

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"mysql-recycler/engine"
)

// clock is a time of day as people write it: 22:00, 6:30, 22, 2200; Chinese keyboards write 22：00.
var clock = regexp.MustCompile(`^([01]?[0-9]|2[0-4])(?::?([0-5][0-9]))?$`)

// parseClock folds a time of day to 22:00. 24:00 is midnight.
func parseClock(s string) (string, bool) {
	m := clock.FindStringSubmatch(norm.NFKC.String(strings.TrimSpace(s)))
	if m == nil {
		return "", false
	}
	h, _ := strconv.Atoi(m[1]) // the pattern has only digits
	if h == 24 && strings.Trim(m[2], "0") != "" {
		return "", false
	}
	if m[2] == "" {
		m[2] = "00"
	}
	return fmt.Sprintf("%02d:%s", h%24, m[2]), true
}

// zoned cuts a time zone off: 22:00-06:00@Asia/Shanghai, or with a space in between.
func zoned(s string) (hours, zone string, ok bool) {
	s = strings.TrimSpace(s)
	i := strings.IndexAny(s, "@ ")
	if i < 0 || strings.IndexFunc(s[i:], isLetter) < 0 {
		return s, "", true
	}
	zone, ok = parseZone(s[i+1:])
	return strings.TrimSpace(s[:i]), zone, ok
}

func isLetter(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// parseWindow reads hours of the day, 22:00-06:00. Hours that are no time at all are refused.
func parseWindow(s string) (engine.Window, bool) {
	hours, zone, ok := zoned(s)
	from, to, cut := strings.Cut(hours, "-")
	if !ok || !cut {
		return engine.Window{}, false
	}
	w := engine.Window{Zone: zone}
	w.From, ok = parseClock(from)
	var also bool
	w.To, also = parseClock(to)
	return w, ok && also && w.From != w.To
}

// formatWindow writes hours so that parseWindow reads the same.
func formatWindow(w engine.Window) string {
	if w.Zone != "" {
		return w.From + "-" + w.To + "@" + w.Zone
	}
	return w.From + "-" + w.To
}

// parseUntil reads a time of day, perhaps with its zone.
func parseUntil(s string) (string, bool) {
	hours, zone, ok := zoned(s)
	at, also := parseClock(hours)
	if zone != "" {
		at += "@" + zone
	}
	return at, ok && also
}

// nextTime is the next moment at which it is so late. Without a zone it is the cluster's.
func nextTime(until, zone string, now time.Time) (time.Time, error) {
	hours, own, _ := strings.Cut(until, "@")
	if own != "" {
		zone = own
	}
	at, err := time.Parse("15:04", hours)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time %q: %w", until, err)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time zone %q: %w", zone, err)
	}
	local := now.In(loc)
	for day := 0; ; day++ {
		if t := time.Date(local.Year(), local.Month(), local.Day()+day, at.Hour(), at.Minute(), 0, 0, loc); t.After(now) {
			return t, nil
		}
	}
}

// times finds what looks like times of day in a value that could not be read.
var times = regexp.MustCompile(`([0-9]{1,2})(?:[:.hH：]?([0-9]{2}))?`)

// guessed are the valid times nearest to those in a value.
func guessed(value string) []string {
	var out []string
	for _, m := range times.FindAllStringSubmatch(norm.NFKC.String(value), 3) {
		h, _ := strconv.Atoi(m[1]) // the pattern has only digits
		n, _ := strconv.Atoi(m[2])
		out = append(out, fmt.Sprintf("%02d:%02d", min(h, 23), min(n, 59)))
	}
	return out
}

// nearWindow is the window that was probably meant.
func nearWindow(value string) string {
	if t := guessed(value); len(t) == 2 && t[0] != t[1] {
		return t[0] + "-" + t[1]
	}
	return ""
}

// nearUntil is the time that was probably meant.
func nearUntil(value string) string {
	if t := guessed(value); len(t) == 1 {
		return t[0]
	}
	return ""
}
