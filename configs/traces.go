package configs

import "time"

// Traces are OpenTelemetry traces of ended jobs, off by default.
type Traces struct {
	// URL is where OTLP over HTTP is taken, for example http://127.0.0.1:4318/v1/traces; empty: no
	// traces are sent.
	URL string `yaml:"url"`
	// Token is sent as a bearer token.
	Token Secret `yaml:"token"`
	// TokenFile is a file that holds it.
	TokenFile string `yaml:"token_file"`
	// Timeout bounds one try. Defaults to "10s".
	Timeout time.Duration `yaml:"timeout"`
}

func (t Traces) validate(m *mistakes) {
	if t.URL != "" {
		if u := webURL(m, "traces.url", t.URL); u != nil && t.Token.Set() && u.Scheme == "http" && !loopback(u.Hostname()) {
			m.addf("traces.url", "would send the token in plain text; use https")
		}
	}
	between(m, "traces.timeout", t.Timeout, 100*time.Millisecond, time.Minute)
}
