package rebuild

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/mysqltest"
)

// The benchmark's data: enough to take seconds per run, small enough for a laptop.
const (
	benchTables = 6
	benchRows   = 200_000
	benchRounds = 3
)

// tool rebuilds all tables of the benchmark's schema on the replica.
type tool struct {
	name string
	run  func(e *benchEnv, ctx context.Context) error
}

// benchEnv is one cluster with the tables made.
type benchEnv struct {
	*mysqltest.Cluster
	b      *testing.B
	node   *mysqltest.Node // the replica
	tables []string
}

// BenchmarkPeers rebuilds the same tables with every tool in turn, in the same process on the same
// servers, with light reads on the replica and light writes on its source going on, and prints the
// ratio of each to the plain loop. Rounds alternate the tools, so that a noisy machine hits all.
func BenchmarkPeers(b *testing.B) {
	for _, c := range clusters {
		b.Run(string(c.Flavor)+"-"+c.Version, func(b *testing.B) {
			e := newBenchEnv(b, c)
			tools := []tool{
				{"plain loop of ALTER", (*benchEnv).loop},
				{"recycler, 1 worker", func(e *benchEnv, ctx context.Context) error { return e.ours(ctx, 1) }},
				{"recycler, 2 workers", func(e *benchEnv, ctx context.Context) error { return e.ours(ctx, 2) }},
				{"mysqlcheck --optimize", (*benchEnv).mysqlcheck},
				{"pt-online-schema-change", (*benchEnv).ptosc},
			}
			for range b.N {
				e.compare(tools)
			}
		})
	}
}

func newBenchEnv(b *testing.B, c *mysqltest.Cluster) *benchEnv {
	b.Helper()
	ctx := context.Background()
	e := &benchEnv{Cluster: c, b: b, node: c.Nodes[1]}
	primary := c.Nodes[0]
	if c.Flavor == mysqltest.MySQL {
		require.NoError(b, e.node.Exec(ctx, "SET GLOBAL super_read_only = 0"))
	}
	var specs []mysqltest.TableSpec
	for i := range benchTables {
		e.tables = append(e.tables, fmt.Sprintf("t%d", i))
		specs = append(specs, mysqltest.TableSpec{Schema: "bench", Name: e.tables[i], Rows: benchRows, RowBytes: 250, DeletePercent: 30})
	}
	require.NoError(b, mysqltest.Fill(ctx, primary, specs...))
	require.NoError(b, primary.Exec(ctx, "CREATE TABLE bench.beat (id INT PRIMARY KEY, at DOUBLE)"))
	require.NoError(b, primary.Exec(ctx, "INSERT INTO bench.beat VALUES (1, 0)"))
	require.NoError(b, c.WaitReplicated(ctx))
	b.Cleanup(func() { _ = primary.Exec(ctx, "DROP DATABASE bench") })
	return e
}

// benchRun is one run of one tool.
type benchRun struct {
	took, p99, lag time.Duration
}

// compare runs all tools in rounds and prints medians.
func (e *benchEnv) compare(tools []tool) {
	runs := map[string][]benchRun{}
	for round := range benchRounds {
		for i := range tools {
			t := tools[(i+round)%len(tools)]
			r, err := e.measure(t)
			if err != nil {
				fmt.Printf("%s %s: %s: %v\n", e.Flavor, e.Version, t.name, err)
				continue
			}
			runs[t.name] = append(runs[t.name], r)
		}
	}
	median := func(name string, f func(benchRun) time.Duration) time.Duration {
		var all []time.Duration
		for _, r := range runs[name] {
			all = append(all, f(r))
		}
		slices.Sort(all)
		if len(all) == 0 {
			return 0
		}
		return all[len(all)/2]
	}
	took := func(r benchRun) time.Duration { return r.took }
	base := median(tools[0].name, took)
	fmt.Printf("\n%s %s, %d tables, median of %d\n%-26s %8s %7s %12s %10s\n", e.Flavor, e.Version, benchTables, benchRounds, "tool", "time", "ratio", "p99 of reads", "worst lag")
	for _, t := range tools {
		d := median(t.name, took)
		if d == 0 {
			continue
		}
		ratio := float64(d) / float64(base)
		fmt.Printf("%-26s %7.2fs %7.2f %10.1fms %9.2fs\n", t.name, d.Seconds(), ratio,
			float64(median(t.name, func(r benchRun) time.Duration { return r.p99 }).Microseconds())/1000, median(t.name, func(r benchRun) time.Duration { return r.lag }).Seconds())
		e.b.ReportMetric(ratio, strings.Map(func(r rune) rune {
			if r == ' ' || r == ',' {
				return '_'
			}
			return r
		}, t.name)+"-ratio")
	}
}

// measure runs one tool beside the load.
func (e *benchEnv) measure(t tool) (benchRun, error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var load errgroup.Group
	var reads []time.Duration
	var worst atomic.Int64
	load.Go(func() error { reads = e.read(ctx); return nil })
	load.Go(func() error { e.beat(ctx); return nil })
	load.Go(func() error { e.watchLag(ctx, &worst); return nil })
	start := time.Now()
	err := t.run(e, ctx)
	r := benchRun{took: time.Since(start)}
	stop()
	_ = load.Wait()
	slices.Sort(reads)
	if len(reads) > 0 {
		r.p99 = reads[len(reads)*99/100]
	}
	r.lag = time.Duration(worst.Load())
	return r, err
}

// read asks for single rows of the tables under rebuild.
func (e *benchEnv) read(ctx context.Context) []time.Duration {
	var out []time.Duration
	for i := 0; ctx.Err() == nil; i++ {
		start := time.Now()
		var n int
		_ = e.node.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM bench."+e.tables[i%len(e.tables)]+" WHERE id BETWEEN ? AND ?", i*7919%benchRows, i*7919%benchRows+3).Scan(&n)
		out = append(out, time.Since(start))
		time.Sleep(2 * time.Millisecond)
	}
	return out
}

// beat writes on the source: the time, and rows of the tables.
func (e *benchEnv) beat(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		_ = e.Nodes[0].Exec(ctx, "UPDATE bench.beat SET at = ?", float64(time.Now().UnixMicro())/1e6)
		_ = e.Nodes[0].Exec(ctx, "UPDATE bench."+e.tables[i%len(e.tables)]+" SET payload = REVERSE(payload) WHERE id = ?", i*31%benchRows)
		time.Sleep(20 * time.Millisecond)
	}
}

// watchLag compares the beat on the replica with the clock.
func (e *benchEnv) watchLag(ctx context.Context, worst *atomic.Int64) {
	time.Sleep(100 * time.Millisecond) // the first beat has to arrive
	for ctx.Err() == nil {
		var at float64
		if err := e.node.DB().QueryRowContext(ctx, "SELECT at FROM bench.beat").Scan(&at); err == nil && at > 0 {
			worst.Store(max(worst.Load(), int64(time.Since(time.UnixMicro(int64(at*1e6))))))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// loop is what people do by hand.
func (e *benchEnv) loop(ctx context.Context) error {
	conn, err := e.node.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	statements := []string{"SET SESSION sql_log_bin = 0"}
	for _, t := range e.tables {
		statements = append(statements, "ALTER TABLE bench."+t+" FORCE, ALGORITHM=INPLACE, LOCK=NONE")
	}
	for _, s := range append(statements, "SET SESSION sql_log_bin = 1") {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// ours is the product's way, fences and marks included.
func (e *benchEnv) ours(ctx context.Context, workers int) error {
	a := access(e.node)
	srv, err := a.Open(ctx, a.Hosts[0].Addr)
	if err != nil {
		return err
	}
	defer func() { _ = srv.Close() }()
	todo := make(chan string, len(e.tables))
	for _, t := range e.tables {
		todo <- t
	}
	close(todo)
	var g errgroup.Group
	for slot := range workers {
		g.Go(func() error {
			f, err := Acquire(ctx, srv, 9000+slot, nil)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			for t := range todo {
				task := Task{Job: "R-BENCH", Step: 1, Schema: "bench", Table: t, Mode: BinlogOff, LockWait: 5 * time.Second,
					Method: Method{Kind: Alter, Algorithm: Inplace, Lock: LockNone}, Predicted: 20 << 20, Retries: 3}
				if _, err := f.Run(ctx, task, hooks(new(Mark))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// mysqlcheck is the distribution's loop of OPTIMIZE.
func (e *benchEnv) mysqlcheck(ctx context.Context) error {
	args := append([]string{"--no-defaults", "-uroot", "--socket=" + e.node.Socket, "--optimize", "--skip-write-binlog", "bench"}, e.tables...)
	return command(ctx, "mysqlcheck", args...)
}

// ptosc is pt-online-schema-change, table by table.
func (e *benchEnv) ptosc(ctx context.Context) error {
	for _, t := range e.tables {
		err := command(ctx, "pt-online-schema-change", "--alter", "FORCE", "--execute", "--no-version-check", "--recursion-method=none",
			"--set-vars", "sql_log_bin=0", "--no-check-replication-filters", "--max-load", "Threads_running=100", "--critical-load", "Threads_running=200",
			fmt.Sprintf("D=bench,t=%s,S=%s,u=root", t, e.node.Socket))
		if err != nil {
			return err
		}
	}
	return nil
}

// command runs a peer; its output is part of the error.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		text := strings.TrimSpace(string(out))
		return fmt.Errorf("%s: %w: %s", name, err, text[max(0, len(text)-300):])
	}
	return nil
}
