package configs

import "time"

// Alerts are told beside the thread and the log: a promotion seen during a rebuild, a host the
// guard refused after approval, a setting that could not be put back, an unknown outcome.
type Alerts struct {
	// Webhook is a URL that gets each alert as JSON by POST; empty tells nobody. It can hold a
	// secret and never prints.
	Webhook Secret `yaml:"webhook"`
	// Timeout bounds one try. Defaults to "5s".
	Timeout time.Duration `yaml:"timeout"`
}

func (a Alerts) validate(m *mistakes) {
	if a.Webhook.Set() {
		if u := webURL(m, "alerts.webhook", a.Webhook.Reveal()); u != nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			m.addf("alerts.webhook", "would tell in plain text; use https")
		}
	}
	between(m, "alerts.timeout", a.Timeout, 100*time.Millisecond, time.Minute)
}
