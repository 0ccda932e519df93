package configs

import (
	"slices"
	"time"
)

// Digest is the weekly summary of each channel: what was given back, what waits, what was refused
// and what failed. A channel in which nothing happened is told nothing.
type Digest struct {
	// Enabled tells it. Defaults to true.
	Enabled bool `yaml:"enabled"`
	// Day is the day of the week: mon, tue, wed, thu, fri, sat, sun. Defaults to "mon".
	Day string `yaml:"day"`
	// Time is the time of that day. Defaults to "09:00".
	Time string `yaml:"time"`
	// Zone is the time zone of both, by its IANA name. Defaults to "UTC".
	Zone string `yaml:"zone"`
}

// digestDays are the names of days, as package time counts them.
var digestDays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (d Digest) validate(m *mistakes) {
	oneOf(m, "slack.digest.day", d.Day, digestDays...)
	if _, err := time.Parse("15:04", d.Time); err != nil {
		m.addf("slack.digest.time", "%q is not a time of day; write 09:00", d.Time)
	}
	if _, err := time.LoadLocation(d.Zone); err != nil || d.Zone == "" || d.Zone == "Local" {
		m.addf("slack.digest.zone", "%q is not a time zone; write its IANA name, for example Asia/Shanghai", d.Zone)
	}
}

// At is when the summary is told; the configuration has been validated.
func (d Digest) At() (day time.Weekday, hour, minute int, zone *time.Location) {
	at, _ := time.Parse("15:04", d.Time) // validated
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		zone = time.UTC
	}
	return time.Weekday(max(0, slices.Index(digestDays, d.Day))), at.Hour(), at.Minute(), zone
}
