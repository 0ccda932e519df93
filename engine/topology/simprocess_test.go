package topology_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
)

// simEnv makes the test binary a simulated network in a process of its own: nodes, fan, latency and
// the unix socket on which it takes connections. A client first says which server it means.
const simEnv = "TOPOLOGY_BENCH_NETWORK"

// simVersion is the version of the servers of that network.
const simVersion = "8.4.10"

// simMain is that process; it ends with its standard input.
func simMain(network string) int {
	var nodes, fan int
	var latency time.Duration
	var socket string
	if _, err := fmt.Sscan(network, &nodes, &fan, (*int64)(&latency), &socket); err != nil {
		return 2
	}
	s := simTree(nodes, fan, simVersion, latency)
	l, err := net.Listen("unix", socket)
	if err != nil {
		return 1
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.serving.Go(func() { s.serveNamed(conn) })
		}
	})
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = l.Close()
	accepting.Wait()
	return 0
}

// serveNamed reads which server is meant and is it.
func (s *simulated) serveNamed(conn net.Conn) {
	var head [1]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		_ = conn.Close()
		return
	}
	name := make([]byte, head[0])
	node := (*simNode)(nil)
	if _, err := io.ReadFull(conn, name); err == nil {
		node = s.nodes[string(name)]
	}
	if node == nil {
		_ = conn.Close()
		return
	}
	s.trip() // that of the connection: here, so that it costs the walk nothing but time
	s.serve(conn, node)
}

// simProcess starts a simulated network and reaches it until the test ends.
func simProcess(tb testing.TB, nodes, fan int, latency time.Duration) *dbconn.Access {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sim") // a socket's path must be short
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, os.RemoveAll(dir)) })
	socket := filepath.Join(dir, "s")
	self, err := os.Executable()
	require.NoError(tb, err)
	cmd := exec.CommandContext(tb.Context(), self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %s", simEnv, nodes, fan, latency, socket))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(tb, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() { _ = errors.Join(stdin.Close(), cmd.Wait()) }) // the test's context may have ended it
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(tb, err)
	require.Equal(tb, "ready", strings.TrimSpace(line))
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		if _, err := conn.Write(append([]byte{byte(len(address))}, address...)); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	}
	return &dbconn.Access{Cluster: "sim", User: "u", Password: func() (string, error) { return "", nil }, Allow: []string{"10.*"}, Dial: dial}
}

// simVisit is what a visit asks a server of that network beside its facts, in one packet.
var simVisit = strings.Join([]string{
	"SHOW REPLICA STATUS", "SHOW REPLICAS", "SELECT @@global.gtid_executed AS executed", "SHOW BINARY LOG STATUS",
	dumpUUIDs, workerErrors, appliedLag,
}, "; ")
