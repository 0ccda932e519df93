package dbconn

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// DefaultPort is where a server listens when nobody says otherwise.
const DefaultPort = 3306

// Addr is where a server listens.
type Addr struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// String is host:port, with brackets around an IPv6 address.
func (a Addr) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// Zero reports whether nothing is known of the address.
func (a Addr) Zero() bool { return a.Host == "" }

// canonical is the address in the form in which two spellings of it are equal: lower case, no
// final dot, IP addresses in their shortest form. It resolves nothing.
func (a Addr) canonical() Addr {
	h := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(a.Host)), ".")
	if ip := net.ParseIP(h); ip != nil {
		h = ip.String()
	}
	p := a.Port
	if p == 0 {
		p = DefaultPort
	}
	return Addr{Host: h, Port: p}
}

// Same reports whether both are the same address, spelled alike or not.
func (a Addr) Same(b Addr) bool { return a.canonical() == b.canonical() }

// Key is the canonical host:port, for maps.
func (a Addr) Key() string { return a.canonical().String() }

// ParseAddr reads "host", "host:port", "[::1]:3306" and a bare IPv6 address.
func ParseAddr(s string) (Addr, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Addr{}, fmt.Errorf("read address: it is empty")
	}
	if ip := net.ParseIP(s); ip != nil || !strings.Contains(s, ":") {
		return Addr{Host: s, Port: DefaultPort}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Addr{}, fmt.Errorf("read address %q: %w", s, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || host == "" {
		return Addr{}, fmt.Errorf("read address %q: want host:port with a port from 1 to 65535", s)
	}
	return Addr{Host: host, Port: n}, nil
}

// Host is a server known by the name people type, and where it listens.
type Host struct {
	Name string
	Addr Addr
}
