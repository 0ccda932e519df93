package configs

import "time"

// Schedules are the defaults of what people schedule by command; each of them can be said there.
type Schedules struct {
	// Announce is how long before its time a run is announced and asked for. Defaults to "60m".
	Announce time.Duration `yaml:"announce"`
	// Window is how long after its time a run may still start tables. Defaults to "4h".
	Window time.Duration `yaml:"window"`
	// Jitter delays a start by up to this, always the same for one run. Defaults to "0s".
	Jitter time.Duration `yaml:"jitter"`
	// Zone is the time zone of the times, by its IANA name. Defaults to "UTC".
	Zone string `yaml:"zone"`
	// Missed is what becomes of runs whose window passed while the bot was away: skip, or once (all
	// of them together are asked for once). Defaults to "skip".
	Missed string `yaml:"missed"`
	// Standing is how long a standing approval is for, as its form proposes it. Defaults to "30d".
	Standing time.Duration `yaml:"standing"`
	// StandingMax is the longest standing approval; 0 switches them off. Defaults to "90d".
	StandingMax time.Duration `yaml:"standing_max"`
}

func (s Schedules) validate(m *mistakes) {
	between(m, "schedules.announce", s.Announce, time.Minute, 24*time.Hour)
	between(m, "schedules.window", s.Window, time.Minute, 24*time.Hour)
	between(m, "schedules.jitter", s.Jitter, 0, max(s.Window/2, 0))
	between(m, "schedules.standing_max", s.StandingMax, 0, 400*24*time.Hour)
	if s.StandingMax > 0 {
		between(m, "schedules.standing", s.Standing, 24*time.Hour, s.StandingMax)
	}
	oneOf(m, "schedules.missed", s.Missed, "skip", "once")
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "" || s.Zone == "Local" {
		m.addf("schedules.zone", "%q is not a time zone; write its IANA name, for example Asia/Shanghai", s.Zone)
	}
}
