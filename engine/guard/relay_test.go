package guard_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
)

// relay is an address that can be moved from one server to another, like a virtual IP.
type relay struct {
	addr dbconn.Addr
	to   atomic.Value
}

// newRelay listens and passes connections on to where the address points at that moment.
func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{addr: dbconn.Addr{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}}
	r.to.Store(to)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer func() { _ = in.Close() }()
				out, err := net.Dial("tcp4", r.to.Load().(string))
				if err != nil {
					return
				}
				defer func() { _ = out.Close() }()
				open.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
				_, _ = io.Copy(in, out)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return r
}
