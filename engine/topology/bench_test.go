package topology_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// trips is what one visit costs: connection, greeting, login, facts, everything else. See
// TestDiscoverCostsTiersNotNodes.
const trips = 5

// BenchmarkDiscoverSimulated walks simulated trees. "x_floor" is the wall time over tiers × round
// trips × latency, which no walk that learns of a tier from the tier above can beat; "KiB/node" is
// the most live memory during a walk beyond what was live before, stacks and the simulated servers'
// ends of the connections included, over the number of nodes. A thousand servers are visited at
// once; ten thousand therefore take several turns and cannot come near the floor.
func BenchmarkDiscoverSimulated(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		for _, latency := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("nodes=%d/latency=%s", n, latency), func(b *testing.B) {
				const fan = 32
				s := simTree(n, fan, "8.4.10", latency)
				o := topology.Options{MaxNodes: n, Parallel: 1000, Timeout: 5 * time.Minute, NodeTimeout: time.Minute}
				floor := time.Duration(tiers(n, fan)*trips) * latency
				runtime.GC()
				before := inUse()
				var peak uint64
				for b.Loop() {
					stop := watchMemory(&peak)
					topo, err := topology.Discover(b.Context(), s.access(), simAddr(0), o)
					stop()
					require.NoError(b, err)
					require.Len(b, topo.Instances, n)
					require.False(b, topo.Partial)
				}
				s.close(b)
				each := b.Elapsed() / time.Duration(b.N)
				b.ReportMetric(float64(each)/float64(floor), "x_floor")
				b.ReportMetric(float64(floor.Milliseconds()), "floor_ms")
				b.ReportMetric(float64(each.Milliseconds()), "ms/walk")
				b.ReportMetric(float64(peak-min(peak, before))/1024/float64(n), "KiB/node")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// inUse is the live memory as of the last collection, stacks included.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}

// watchMemory samples the live memory until stop is called.
func watchMemory(peak *uint64) (stop func()) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			*peak = max(*peak, inUse())
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return func() { close(done); wait.Wait() }
}

// discoverEnv makes the test binary a program that discovers from the address in it and prints the
// tree, so that whole processes can be compared.
const discoverEnv = "TOPOLOGY_BENCH_DISCOVER"

// discoverMain is that program.
func discoverMain(seed string) int {
	at, err := dbconn.ParseAddr(seed)
	if err != nil {
		return 2
	}
	a := &dbconn.Access{Cluster: "bench", User: testUser, Password: func() (string, error) { return testPass, nil }, Allow: []string{"127.0.*"}}
	topo, err := topology.Discover(context.Background(), a, at, topology.Options{})
	if err != nil || topo.Partial {
		return 1
	}
	fmt.Print(topo.Tree())
	return 0
}

// BenchmarkDiscoverReal compares whole processes on real servers: ours and pt-slave-find, in turn.
// "ratio" is pt-slave-find's wall time over ours. Both must find all servers.
func BenchmarkDiscoverReal(b *testing.B) {
	peer, err := exec.LookPath("pt-slave-find")
	if err != nil {
		b.Fatal("no pt-slave-find on this machine; install it with: apt-get install percona-toolkit")
	}
	self, err := os.Executable()
	require.NoError(b, err)
	for _, shape := range []string{"1+2", "tree7", "tree15"} {
		b.Run(shape, func(b *testing.B) {
			c := mysqltest.MustStart(b, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: shape})
			require.NoError(b, c.CreateRecycler(b.Context(), testUser, testPass))
			root := c.Nodes[0]
			var ours, theirs time.Duration
			n := 0
			for b.Loop() {
				ours += timed(b, len(c.Nodes), "MariaDB", append(os.Environ(), discoverEnv+"="+root.Addr()), self)
				theirs += timed(b, len(c.Nodes), "+- ", nil, peer, "--host", root.Host, "--port", fmt.Sprint(root.Port), "--user", testUser,
					"--password", testPass, "--recursion-method", "hosts", "--report-format", "hostname")
				n++
			}
			b.ReportMetric(float64(ours.Microseconds())/1000/float64(n), "ours_ms")
			b.ReportMetric(float64(theirs.Microseconds())/1000/float64(n), "pt-slave-find_ms")
			b.ReportMetric(float64(theirs)/float64(ours), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timed runs a program and returns its wall time; its output must name all servers.
func timed(b *testing.B, nodes int, mark string, env []string, argv ...string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), argv[0], argv[1:]...)
	cmd.Env = env
	begin := time.Now()
	out, err := cmd.Output()
	took := time.Since(begin)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		b.Fatalf("%s: %v: %s%s", argv[0], err, out, exit.Stderr)
	}
	require.NoError(b, err)
	found := strings.Count(string(out), mark)
	if mark == "+- " {
		found++ // the root has no branch
	}
	require.Equal(b, nodes, found, "%s found\n%s", argv[0], out)
	return took
}
