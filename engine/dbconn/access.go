package dbconn

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"
)

// Bounds used where Access leaves them zero.
const (
	DefaultDialTimeout = 3 * time.Second
	DefaultReadTimeout = 10 * time.Second
)

// Access says which servers belong to one cluster and how they are reached. It is the only
// holder of credentials: whoever wants a connection asks Open, and Open refuses an address
// outside Hosts and Allow before the name is resolved and before a credential is read.
type Access struct {
	Cluster     string
	User        string
	Password    func() (string, error) // read at each dial, so that a rotated secret is picked up
	TLS         *tls.Config            // nil: no TLS
	Hosts       []Host
	Allow       []string // patterns of host names and addresses that discovery may follow, see Allowed
	DialTimeout time.Duration
	ReadTimeout time.Duration // bound of one read statement; a rebuild is never bounded by it

	// Dial replaces the ordinary network, for tunnels and tests. Nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Connections *Connections // counts what is open; nil: nobody asks
}

// Lookup finds a configured host by its name, its host or its host:port; a host part that fits
// two configured servers on different ports is not found, because a guess could be the primary.
func (a *Access) Lookup(name string) (Host, bool) {
	name = strings.TrimSpace(name)
	for _, h := range a.Hosts {
		if strings.EqualFold(h.Name, name) {
			return h, true
		}
	}
	addr, err := ParseAddr(name)
	if err != nil {
		return Host{}, false
	}
	var found []Host
	for _, h := range a.Hosts {
		if h.Addr.Same(addr) {
			return h, true
		}
		if strings.EqualFold(h.Addr.Host, name) {
			found = append(found, h)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return Host{}, false
}

// NameOf is the configured name of an address, else host:port.
func (a *Access) NameOf(addr Addr) string {
	for _, h := range a.Hosts {
		if h.Addr.Same(addr) {
			return h.Name
		}
	}
	return addr.String()
}

// Allowed reports whether the cluster's credentials may be sent to an address: it is one of
// Hosts, or fits a pattern of Allow. A pattern is
//
//   - a name in which * stands for any characters but a dot, so that db-prod-* does not fit
//     db-prod-1.elsewhere.example;
//   - an IP address in which * stands for anything (10.1.*), or a network (10.1.0.0/16); both fit
//     only addresses written as numbers, never names;
//   - either with :port behind it; without one every port fits.
//
// Nothing is resolved to decide it.
func (a *Access) Allowed(addr Addr) bool {
	addr = addr.canonical()
	for _, h := range a.Hosts {
		if h.Addr.Same(addr) {
			return true
		}
	}
	for _, p := range a.Allow {
		if fits(p, addr) {
			return true
		}
	}
	return false
}

// dialTimeout is DialTimeout or its default.
func (a *Access) dialTimeout() time.Duration {
	if a.DialTimeout > 0 {
		return a.DialTimeout
	}
	return DefaultDialTimeout
}

// readTimeout is ReadTimeout or its default.
func (a *Access) readTimeout() time.Duration {
	if a.ReadTimeout > 0 {
		return a.ReadTimeout
	}
	return DefaultReadTimeout
}
