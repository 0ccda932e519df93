package engine_test

import (
	"context"
	"fmt"
	"iter"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// The benchmarks' data, as rows of tables from which two fifths are deleted. The big ones are of the size
// that the defaults select: rebuild.min_gain (64 MiB) is met by a file of about 170 MiB. The many ones are
// 48 tables of 4 to 45 MiB, where what is done between two statements counts most.
var (
	bigTables  = []int{750_000, 650_000, 600_000, 600_000}
	manyTables = func() (rows []int) {
		for n := range 48 {
			rows = append(rows, 15_000+70*n*n)
		}
		return rows
	}()
)

const benchRowBytes = 280

// tool rebuilds all tables of the benchmark's schema on the replica.
type tool struct {
	name string
	run  func(e *benchEnv, ctx context.Context) error
	job  int // tables at once of a job of ours; it is approved before the clock runs
}

// benchEnv is one cluster with the tables made.
type benchEnv struct {
	*world
	node   *mysqltest.Node // the replica
	tables []string        // as a directory lists them, not by size
	rows   int             // of the biggest
	plan   engine.Plan

	statements time.Duration // of our last job
}

// tools are those that BenchmarkJobs and BenchmarkManyTables compare; the first is the measure.
var tools = []tool{
	{name: "plain loop of ALTER", run: (*benchEnv).loop},
	{name: "recycler, 1 at once", job: 1},
	{name: "recycler, 2 at once", job: 2},
	{name: "two plain loops", run: (*benchEnv).loops},
	{name: "mysqlcheck --optimize", run: (*benchEnv).mysqlcheck},
	{name: "pt-online-schema-change", run: (*benchEnv).ptosc},
}

// BenchmarkJobs rebuilds the same tables with every tool in turn, on the same servers, with light
// reads on the replica and light writes on its source going on, and prints the ratio of each to the
// plain loop. Ours is a whole job, from its start to its end: the walk, the guard, every throttle, the
// facts in the database. Rounds alternate the tools, so that a noisy machine hits all.
func BenchmarkJobs(b *testing.B) { benchJobs(b, bigTables, tools, 5) }

// BenchmarkManyTables is BenchmarkJobs on many tables. pt-online-schema-change, which takes a second of its
// own per table, is left out.
func BenchmarkManyTables(b *testing.B) { benchJobs(b, manyTables, tools[:len(tools)-1], 3) }

func benchJobs(b *testing.B, data []int, tools []tool, rounds int) {
	b.Helper()
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		b.Run(string(flavor), func(b *testing.B) {
			e := newBenchEnv(b, flavor, data)
			for range b.N {
				e.compare(b, tools, rounds)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func newBenchEnv(b *testing.B, flavor mysqltest.Flavor, data []int) *benchEnv {
	b.Helper()
	var specs []mysqltest.TableSpec
	e := &benchEnv{rows: slices.Max(data)}
	for i, rows := range data {
		name := fmt.Sprintf("t%d", (i+2)%len(data))
		e.tables = append(e.tables, name)
		specs = append(specs, mysqltest.TableSpec{Schema: "bench", Name: name, Rows: rows, RowBytes: benchRowBytes, DeletePercent: 40})
	}
	slices.Sort(e.tables)
	e.world = newWorldOf(b, mysqltest.Options{Flavor: flavor, Shape: "1+1"}, specs...)
	ctx := b.Context()
	primary := e.cluster.Nodes[0]
	e.node = e.cluster.Nodes[1]
	if flavor == mysqltest.MySQL { // the peers cannot lift it
		require.NoError(b, e.node.Exec(ctx, "SET GLOBAL super_read_only = 0"))
	}
	require.NoError(b, primary.Exec(ctx, "CREATE TABLE bench.beat (id INT PRIMARY KEY, at DOUBLE)"))
	require.NoError(b, primary.Exec(ctx, "INSERT INTO bench.beat VALUES (1, 0)"))
	require.NoError(b, e.cluster.WaitReplicated(ctx))
	e.adjust = func(s *engine.ClusterSettings) { // every check is asked
		s.MinGain, s.MinShare, s.Tolerance = 1, 0.01, 1
		s.Limits = throttle.Limits{MaxLag: 30 * time.Second, CriticalLag: 5 * time.Minute, ThreadsRunning: 100,
			HistoryLength: 1_000_000, LongTrx: 10 * time.Second, DiskFree: 1 << 30}
	}
	e.options.Disks = func(string, string) throttle.Outside {
		return throttle.Outside{Data: throttle.FirstKnown{throttle.Fixed(50 << 30)}}
	}
	e.options.Heartbeat, e.options.WatchEvery, e.options.Log = 0, 0, zap.NewNop() // as in production
	e.dispatcher = engine.NewDispatcher(e.options)
	e.discover("db-2")
	e.plan = e.world.plan("db-2")
	require.Len(b, e.plan.Hosts[0].Steps, len(data))
	return e
}

// benchRun is one run of one tool.
type benchRun struct {
	took, p99, lag time.Duration
	between        time.Duration // of a job of ours: beside its statements, per table
}

// compare runs all tools in rounds and prints, for each, the median and the range over the rounds of
// its time, p99 of the reads and worst lag, and of the ratio of its time to the plain loop's in the
// same round.
func (e *benchEnv) compare(b *testing.B, tools []tool, rounds int) {
	b.Helper()
	runs := make([][]benchRun, len(tools))
	for round := range rounds {
		for i := range tools {
			n := (i + round) % len(tools)
			runs[n] = append(runs[n], e.measure(b, tools[n]))
		}
	}
	fmt.Printf("\n%s %s, %d tables, %d rounds\n%-26s %8s %22s %14s %11s %18s\n", e.cluster.Flavor, e.cluster.Version, len(e.tables), rounds,
		"tool", "time", "ratio (range)", "p99 of reads", "worst lag", "between statements")
	for n, t := range tools {
		var ratios, took, p99, lag, between []float64
		for round, r := range runs[n] {
			ratios = append(ratios, r.took.Seconds()/runs[0][round].took.Seconds())
			took, p99, lag = append(took, r.took.Seconds()), append(p99, r.p99.Seconds()*1000), append(lag, r.lag.Seconds())
			between = append(between, r.between.Seconds()*1000)
		}
		fmt.Printf("%-26s %7.2fs %9.3f (%.2f-%.2f) %12.1fms %10.2fs", t.name, median(took), median(ratios), slices.Min(ratios), slices.Max(ratios), median(p99), median(lag))
		if t.job == 1 {
			fmt.Printf(" %9.0fms a table", median(between))
		}
		fmt.Println()
		name := strings.NewReplacer(" ", "_", ",", "").Replace(t.name)
		b.ReportMetric(median(ratios), name+"-ratio")
		b.ReportMetric(median(p99), name+"-p99-ms")
	}
	const two, check = 2, 4 // their places among the tools
	var faster []float64
	for round := range rounds {
		faster = append(faster, runs[check][round].took.Seconds()/runs[two][round].took.Seconds())
	}
	fmt.Printf("%s is %.2f (%.2f-%.2f) times as fast as %s\n", tools[two].name, median(faster), slices.Min(faster), slices.Max(faster), tools[check].name)
}

// median is the middle value.
func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// measure runs one tool beside the load.
func (e *benchEnv) measure(b *testing.B, t tool) benchRun {
	b.Helper()
	run := t.run
	if t.job > 0 {
		run = e.ours(t.job)
	}
	require.NoError(b, e.loop(b.Context()), "every tool finds the tables as the plain loop leaves them, in memory or not")
	require.NoError(b, e.cluster.WaitReplicated(b.Context()))
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var load errgroup.Group
	var reads []time.Duration
	var worst atomic.Int64
	load.Go(func() error { reads = e.read(ctx); return nil })
	load.Go(func() error { e.beat(ctx); return nil })
	load.Go(func() error { e.watchLag(ctx, &worst); return nil })
	start := time.Now()
	err := run(e, ctx)
	r := benchRun{took: time.Since(start)}
	stop()
	require.NoError(b, load.Wait())
	require.NoError(b, err, t.name)
	require.Greater(b, len(reads), 100, "the reads ran beside %s", t.name)
	slices.Sort(reads)
	r.p99, r.lag = reads[len(reads)*99/100], time.Duration(worst.Load())
	r.between = (r.took - e.statements) / time.Duration(len(e.tables))
	return r
}

// read asks for single rows of the tables under rebuild.
func (e *benchEnv) read(ctx context.Context) []time.Duration {
	var out []time.Duration
	for i := 0; ctx.Err() == nil; i++ {
		start := time.Now()
		var n int
		_ = e.node.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM bench."+e.tables[i%len(e.tables)]+" WHERE id BETWEEN ? AND ?", i*7919%e.rows, i*7919%e.rows+3).Scan(&n)
		out = append(out, time.Since(start))
		time.Sleep(2 * time.Millisecond)
	}
	return out
}

// beat writes on the source: the time, and rows of the tables.
func (e *benchEnv) beat(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		_ = e.cluster.Nodes[0].Exec(ctx, "UPDATE bench.beat SET at = ?", float64(time.Now().UnixMicro())/1e6)
		_ = e.cluster.Nodes[0].Exec(ctx, "UPDATE bench."+e.tables[i%len(e.tables)]+" SET payload = REVERSE(payload) WHERE id = ?", i*31%e.rows)
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
func (e *benchEnv) loop(ctx context.Context) error { return e.alter(ctx, slices.Values(e.tables)) }

// loops is what this server does with two tables at once, in our order: nothing but sessions of their
// own could be faster.
func (e *benchEnv) loops(ctx context.Context) error {
	todo := make(chan string, len(e.tables))
	for _, s := range e.plan.Hosts[0].Steps {
		todo <- s.Table
	}
	close(todo)
	var both errgroup.Group
	for range 2 {
		both.Go(func() error {
			return e.alter(ctx, func(yield func(string) bool) {
				for t := range todo {
					if !yield(t) {
						return
					}
				}
			})
		})
	}
	return both.Wait()
}

// alter rebuilds tables one after the other in a session of its own.
func (e *benchEnv) alter(ctx context.Context, tables iter.Seq[string]) error {
	conn, err := e.node.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "SET SESSION sql_log_bin = 0"); err != nil {
		return err
	}
	for t := range tables {
		if _, err := conn.ExecContext(ctx, "ALTER TABLE bench."+t+" FORCE, ALGORITHM=INPLACE, LOCK=NONE"); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "SET SESSION sql_log_bin = 1")
	return err
}

// ours approves a job of the product and answers what runs it from its start to its end.
func (e *benchEnv) ours(atOnce int) func(*benchEnv, context.Context) error {
	p := e.plan
	p.Parallel = atOnce
	id := e.recycle("db-2", p)
	return func(_ *benchEnv, ctx context.Context) error {
		if err := e.dispatcher.Run(ctx, id); err != nil {
			return err
		}
		j := e.job(id)
		e.statements = 0
		for _, s := range j.Steps {
			e.statements += s.Took
			if s.State != engine.StepDone || s.Outcome != rebuild.Done {
				return fmt.Errorf("table %s is %s (%s): %s", s.Plan.Table, s.State, s.Outcome, s.Reason)
			}
		}
		if j.State != engine.JobSucceeded {
			return fmt.Errorf("%s is %s: %s", id, j.State, j.Reason)
		}
		return nil
	}
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
