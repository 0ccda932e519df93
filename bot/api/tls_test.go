package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Over TLS calls and the WebSocket work for who trusts the certificate, and nobody else sends a token.
func TestTLS(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	w := newWorld()
	_, url := serve(t, w, Tuning{TLS: func() *tls.Certificate { return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key} }})
	url = "https" + strings.TrimPrefix(url, "http")
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	c, err := NewClient(ClientOptions{Server: url, Token: "reader", CA: roots})
	require.NoError(t, err)
	defer c.http.CloseIdleConnections()
	_, err = c.Job(t.Context(), "J-1")
	var refused *Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "no_job", refused.Code)
	f, err := c.Events(t.Context(), 0, "")
	require.NoError(t, err)
	defer f.Close()
	w.happen(tables(3)...)
	follow(t, f, 0, 3)

	other, err := NewClient(ClientOptions{Server: url, Token: "reader"})
	require.NoError(t, err)
	_, err = other.Job(t.Context(), "J-1")
	var silent *Unreachable
	require.ErrorAs(t, err, &silent)
	require.Contains(t, err.Error(), "unknown authority")
	plain, _ := get(t, "http"+strings.TrimPrefix(url, "https")+"/api/v1/health/live", "")
	require.Equal(t, http.StatusBadRequest, plain)
}
