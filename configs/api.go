package configs

import (
	"crypto/tls"
	"net"
	"strconv"
)

// API is the HTTP door: REST, WebSocket, health and metrics. It is shut until it has an address.
type API struct {
	// Listen is the address it listens on; empty: there is no API. 127.0.0.1:8080 is a good one, with
	// a proxy in front for other machines.
	Listen string `yaml:"listen"`
	// TLSCert is a PEM file with the certificate and its chain; read at the start.
	TLSCert string `yaml:"tls_cert"`
	// TLSKey is the PEM file of its key.
	TLSKey string `yaml:"tls_key"`
	// Insecure lets it listen for other machines without TLS: tokens then travel in plain text, which
	// is right only behind a proxy that ends TLS.
	Insecure bool `yaml:"insecure"`
	// OpenMetrics serves /metrics without a token.
	OpenMetrics bool `yaml:"open_metrics"`
	// Rate is how many calls a second one token may make; short bursts may be twice that. Defaults to 20.
	Rate int `yaml:"rate"`
	// MaxBody is the biggest body of a call. Defaults to "64KiB".
	MaxBody Size `yaml:"max_body"`
}

// Certificate loads the certificate with its key, or nil when none is configured.
func (a API) Certificate() (*tls.Certificate, error) {
	if a.TLSCert == "" {
		return nil, nil //nolint:nilnil // no TLS is a valid configuration, as in TLS.Config
	}
	pair, err := tls.LoadX509KeyPair(a.TLSCert, a.TLSKey)
	return &pair, err
}

func (a API) validate(m *mistakes) {
	between(m, "api.rate", a.Rate, 1, 10_000)
	between(m, "api.max_body", a.MaxBody, 1<<10, 16<<20)
	if (a.TLSCert == "") != (a.TLSKey == "") {
		m.addf("api", "tls_cert and tls_key belong together; one of them is missing")
	} else {
		_, err := a.Certificate()
		m.err("api.tls_cert", err)
	}
	if a.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(a.Listen)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		m.addf("api.listen", "%q is not host:port, for example 127.0.0.1:8080", a.Listen)
		return
	}
	if !loopback(host) && a.TLSCert == "" && !a.Insecure {
		m.addf("api.listen", "would take tokens from other machines in plain text; set tls_cert and tls_key, or insecure behind a proxy that ends TLS")
	}
}
