package configs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written with a unit: 64MiB, 1.5GB, 512B. MiB counts in 1024, MB in 1000.
type Size int64

// units of sizes, the biggest first, so that String finds the biggest that fits exactly.
var units = []struct {
	name  string
	bytes float64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// ParseSize reads a size; units are matched regardless of case. A number without a unit is
// refused unless it is 0, because nobody agrees on what it would mean.
func ParseSize(text string) (Size, error) {
	t := strings.TrimSpace(text)
	if t == "0" {
		return 0, nil
	}
	for _, u := range units {
		if len(t) <= len(u.name) || !strings.EqualFold(t[len(t)-len(u.name):], u.name) {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(t[:len(t)-len(u.name)]), 64)
		if err != nil || n < 0 || math.IsNaN(n) || n*u.bytes >= math.MaxInt64 {
			break
		}
		return Size(math.Round(n * u.bytes)), nil
	}
	return 0, fmt.Errorf("%q is not a size; write a number with a unit, for example 64MiB or 2GiB", text)
}

// String writes the size with the biggest unit that needs no rounding.
func (s Size) String() string {
	for _, u := range units {
		if n := float64(s) / u.bytes; s != 0 && n == math.Trunc(n) {
			return strconv.FormatFloat(n, 'f', -1, 64) + u.name
		}
	}
	return "0"
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseDuration reads a length of time as Go writes it (1h30m, 10s, 250ms), and whole days as 7d.
func ParseDuration(text string) (time.Duration, error) {
	t := strings.TrimSpace(text)
	d, err := time.ParseDuration(t)
	if days, ok := strings.CutSuffix(t, "d"); err != nil && ok {
		var n int64
		if n, err = strconv.ParseInt(days, 10, 32); err == nil && n > math.MaxInt64/int64(24*time.Hour) {
			err = errors.New("too long")
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a length of time; write a number with a unit, for example 10s, 15m, 4h or 7d", text)
	case d < 0:
		return 0, fmt.Errorf("%q is negative", text)
	}
	return d, nil
}
