package topology_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// trips is what one visit costs: connection, greeting, login, facts, everything else. See
// TestDiscoverCostsTiersNotNodes.
const trips = 5

// BenchmarkDiscoverSimulated walks simulated trees whose servers are another process, so that time
// and memory of the walk alone are measured. A walk is compared with two floors:
//
//   - "x_latency": tiers × round trips × latency, which no walk that learns of a tier from the tier
//     above can beat however fast the machine is;
//   - "x_plain": as many connections at once that the plain driver opens, with the same statements, in
//     turn with the walks: what the machine needs for that many, without learning anything. "x_cpu"
//     compares the processor time of the two, which other load disturbs least; "plain_cpu_us" is
//     that of one plain visit, the client's side alone.
//
// "KiB/node" is the most live memory during a walk beyond what was live before, stacks included,
// over the number of nodes. A thousand servers are visited at once; ten thousand take several turns.
func BenchmarkDiscoverSimulated(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		for _, latency := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("nodes=%d/latency=%s", n, latency), func(b *testing.B) {
				const fan = 32
				access := simProcess(b, n, fan, latency)
				o := topology.Options{MaxNodes: n, Parallel: 1000, Timeout: 5 * time.Minute, NodeTimeout: time.Minute}
				floor := time.Duration(tiers(n, fan)*trips) * latency
				runtime.GC()
				before := inUse()
				var peak uint64
				var walks, plain, walksCPU, plainCPU time.Duration
				for b.Loop() {
					stop, begin, cpu := watchMemory(&peak), time.Now(), processorTime(b)
					topo, err := topology.Discover(b.Context(), access, simAddr(0), o)
					walks, walksCPU = walks+time.Since(begin), walksCPU+processorTime(b)-cpu
					stop()
					require.NoError(b, err)
					require.Len(b, topo.Instances, n)
					require.False(b, topo.Partial)
					begin, cpu = time.Now(), processorTime(b)
					bareVisits(b, access, n, o.Parallel)
					plain, plainCPU = plain+time.Since(begin), plainCPU+processorTime(b)-cpu
				}
				b.ReportMetric(float64(walks)/float64(b.N)/float64(floor), "x_latency")
				b.ReportMetric(float64(walks)/float64(plain), "x_plain")
				b.ReportMetric(float64(walksCPU)/float64(plainCPU), "x_cpu")
				b.ReportMetric(float64(plainCPU.Microseconds())/float64(b.N*n), "plain_cpu_us")
				b.ReportMetric(float64(floor.Milliseconds()), "floor_ms")
				b.ReportMetric(float64(walks.Milliseconds())/float64(b.N), "ms/walk")
				b.ReportMetric(float64(peak-min(peak, before))/1024/float64(n), "KiB/node")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// processorTime is what this process used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareVisits opens n connections with the plain driver, sends each the statements of a visit to a
// server of the simulation and reads the answers.
func bareVisits(b *testing.B, a *dbconn.Access, n, parallel int) {
	b.Helper()
	var group errgroup.Group
	group.SetLimit(parallel)
	for k := range n {
		group.Go(func() error {
			c := mysql.NewConfig()
			c.User, c.Net, c.Addr, c.DialFunc, c.MultiStatements = a.User, "tcp", simAddr(k).String(), a.Dial, true
			connector, err := mysql.NewConnector(c)
			if err != nil {
				return err
			}
			conn, err := connector.Connect(b.Context())
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			return errors.Join(drain(b.Context(), conn, dbconn.FactsSQL), drain(b.Context(), conn, simVisit))
		})
	}
	require.NoError(b, group.Wait())
}

// drain sends statements in one packet and reads all their rows.
func drain(ctx context.Context, conn driver.Conn, statements string) error {
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, statements, nil)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for {
		values := make([]driver.Value, len(rows.Columns()))
		for err = nil; err == nil; {
			err = rows.Next(values)
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		if err := rows.(driver.RowsNextResultSet).NextResultSet(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
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
