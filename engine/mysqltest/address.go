package mysqltest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// The loopback networks and ports clusters are made of: 127.0.97.x to
// 127.0.120.x, ports below the range the kernel gives to outgoing connections.
const (
	firstNet, lastNet   = 97, 120
	firstPort, lastPort = 20000, 32000
)

// addresses is a reserved network and port; node i listens on host(i).
type addresses struct {
	net, port int
	lock      *os.File
}

// host is the address of node i, counted from 0.
func (a *addresses) host(i int) string { return fmt.Sprintf("127.0.%d.%d", a.net, i+1) }

// reserveAddresses finds a network and port that n nodes can share. The lock
// file keeps parallel processes of ours apart between the check and the bind;
// the check keeps us away from everybody else.
func reserveAddresses(n int) (*addresses, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("mysql-recycler-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("reserve addresses: %w", err)
	}
	for range 200 {
		a := &addresses{
			net:  firstNet + rand.IntN(lastNet-firstNet+1),
			port: firstPort + rand.IntN(lastPort-firstPort),
		}
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%d-%d", a.net, a.port)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("reserve addresses: %w", err)
		}
		a.lock = f
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && a.free(n) {
			return a, nil
		}
		_ = f.Close()
	}
	return nil, fmt.Errorf("reserve addresses: no free port for %d nodes on 127.0.%d.0 to 127.0.%d.0", n, firstNet, lastNet)
}

// free tells whether all n addresses can be bound now.
func (a *addresses) free(n int) bool {
	for i := range n {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", fmt.Sprintf("%s:%d", a.host(i), a.port)) // binding does not wait
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// release gives the addresses back. The kernel does the same when we die.
func (a *addresses) release() {
	_ = os.Remove(a.lock.Name())
	_ = a.lock.Close()
}
