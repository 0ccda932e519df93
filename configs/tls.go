package configs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Config builds the client side of TLS, or nil for mode disabled. In mode verify-identity without
// server_name the connection's own host name is expected, which the MySQL driver fills in.
func (t TLS) Config() (*tls.Config, error) {
	if t.Mode == "disabled" {
		return nil, nil //nolint:nilnil // no TLS is a valid configuration, told by nil as in crypto/tls users
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("load client certificate: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read certificate authorities: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificate authorities: no certificate in %s", t.CA)
		}
	}
	switch t.Mode {
	case "required":
		out.InsecureSkipVerify = true // what the mode says: encrypted, not verified
	case "verify-ca":
		out.InsecureSkipVerify = true // the name is not checked; VerifyConnection checks the rest
		out.VerifyConnection = chainOnly(out.RootCAs)
	}
	return out, nil
}

// chainOnly verifies that a known authority signed the certificate, whatever name is in it.
func chainOnly(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("verify server: it sent no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		if err != nil {
			return fmt.Errorf("verify server: %w", err)
		}
		return nil
	}
}

// validate checks the mode, and that the files are there and fit together.
func (t TLS) validate(m *mistakes, path string) {
	oneOf(m, path+".mode", t.Mode, "disabled", "required", "verify-ca", "verify-identity")
	if (t.Cert == "") != (t.Key == "") {
		m.addf(path, "cert and key belong together; one of them is missing")
		return
	}
	_, err := t.Config()
	m.err(path, err)
}
