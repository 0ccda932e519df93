package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// selfSigned makes a certificate for name and writes it as a PEM file.
func selfSigned(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name+".pem")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// shake runs a handshake of a client configuration with a server that has cert.
func shake(t *testing.T, client *tls.Config, cert tls.Certificate) error {
	t.Helper()
	left, right := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Server(right, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
		_ = right.Close()
	}()
	err := tls.Client(left, client).Handshake()
	_ = left.Close()
	<-done
	return err
}

func TestTLSModes(t *testing.T) {
	t.Parallel()
	cert, ca := selfSigned(t, "db-1")
	_, other := selfSigned(t, "other")
	for _, row := range []struct {
		name string
		tls  TLS
		ok   bool
	}{
		{"required trusts anybody", TLS{Mode: "required", ServerName: "x"}, true},
		{"verify-ca ignores the name", TLS{Mode: "verify-ca", CA: ca, ServerName: "x"}, true},
		{"verify-ca wants the authority", TLS{Mode: "verify-ca", CA: other, ServerName: "db-1"}, false},
		{"verify-identity wants the name", TLS{Mode: "verify-identity", CA: ca, ServerName: "x"}, false},
		{"verify-identity", TLS{Mode: "verify-identity", CA: ca, ServerName: "db-1"}, true},
	} {
		c, err := row.tls.Config()
		require.NoError(t, err, row.name)
		require.Equal(t, row.ok, shake(t, c, cert) == nil, row.name)
	}
	c, err := TLS{Mode: "disabled"}.Config()
	require.NoError(t, err)
	require.Nil(t, c)
}

func TestTLSMistakes(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("nothing"), 0o600))
	for text, tls := range map[string]TLS{
		"tls: read certificate authorities: open /none":      {Mode: "required", CA: "/none"},
		"tls: read certificate authorities: no certificate":  {Mode: "required", CA: empty},
		"tls: cert and key belong together":                  {Mode: "required", Cert: empty},
		"tls: load client certificate":                       {Mode: "required", Cert: empty, Key: empty},
		`tls.mode: "verify_ca" is unknown; did you mean ver`: {Mode: "verify_ca"},
	} {
		var m mistakes
		tls.validate(&m, "tls")
		require.Len(t, m, 1, text)
		require.Contains(t, m[0].String(), text)
	}
}
