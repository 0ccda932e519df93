package dbconn

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A connection counts from its dial to its first Close; one that was never made does not. What has a
// file descriptor keeps it.
func TestConnections(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	a := &Access{Cluster: "shop", Connections: &Connections{}}
	require.Empty(t, a.Connections.Open())

	one, err := a.dial(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	raw, ok := one.(syscall.Conn)
	require.True(t, ok)
	_, err = raw.SyscallConn()
	require.NoError(t, err)
	a.Dial = func(context.Context, string, string) (net.Conn, error) { c, _ := net.Pipe(); return c, nil }
	two, err := a.dial(t.Context(), "tcp", "")
	require.NoError(t, err)
	_, ok = two.(syscall.Conn)
	require.False(t, ok, "the driver would take its error for a dead connection")
	require.Equal(t, map[string]int{"shop": 2}, a.Connections.Open())

	a.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	_, err = a.dial(t.Context(), "tcp", "")
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, one.Close())
	require.Error(t, one.Close())
	require.NoError(t, two.Close())
	require.Equal(t, map[string]int{"shop": 0}, a.Connections.Open())
}
