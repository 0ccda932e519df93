package dbconn

import (
	"context"
	"maps"
	"net"
	"sync"
	"syscall"
)

// Connections counts the open connections to servers, by cluster. Several Access of one cluster can
// share one: connections outlive a reload of the configuration.
type Connections struct {
	mu   sync.Mutex
	open map[string]int
}

// Open is how many connections are open now. A cluster to which there were any is named with 0.
func (c *Connections) Open() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{}
	maps.Copy(out, c.open)
	return out
}

func (c *Connections) add(cluster string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[string]int{}
	}
	c.open[cluster] += n
}

// dial connects to a server of the cluster and counts the connection until it is closed.
func (a *Access) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dial := a.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil || a.Connections == nil {
		return conn, err
	}
	a.Connections.add(a.Cluster, 1)
	c := &counted{Conn: conn, closed: sync.OnceFunc(func() { a.Connections.add(a.Cluster, -1) })}
	if raw, ok := conn.(syscall.Conn); ok { // the driver sees by it whether an idle connection still lives
		return &countedRaw{counted: c, Conn: raw}, nil
	}
	return c, nil
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.closed()
	return c.Conn.Close()
}

// countedRaw is one with a file descriptor.
type countedRaw struct {
	*counted
	syscall.Conn
}
