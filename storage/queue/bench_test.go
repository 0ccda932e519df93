package queue

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/storage"
)

// The environment of a process that idles for BenchmarkQueueIdle: a database, and whether River is
// alone on it.
const (
	idleEnv = "RECYCLER_TEST_IDLE"
	bareEnv = "RECYCLER_TEST_BARE"
)

// idleFor is how long the use of the processor is measured, after idleSettle for the start.
const (
	idleFor    = 5 * time.Second
	idleSettle = 2 * time.Second
)

// databases are those every benchmark runs on.
var databases = []string{"sqlite", "postgres"}

// bareArgs are a job of River alone.
type bareArgs struct {
	JobID string `json:"job_id"`
}

// Kind implements river.JobArgs.
func (bareArgs) Kind() string { return "bare" }

// bare is River alone on a database: same driver and pool, a worker that does nothing.
type bare struct {
	life
	insert func(ctx context.Context, id string) error
}

func newBare(db *storage.DB, workers int) (bare, error) {
	c := &river.Config{Logger: slogger(zap.NewNop()), Workers: river.NewWorkers(),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}}
	river.AddWorker(c.Workers, river.WorkFunc(func(context.Context, *river.Job[bareArgs]) error { return nil }))
	switch pool := db.Pool().(type) {
	case *sql.DB:
		return bareOf(river.NewClient(riversqlite.New(pool), c))
	case *pgxpool.Pool:
		return bareOf(river.NewClient(riverpgxv5.New(pool), c))
	default:
		return bare{}, fmt.Errorf("no queue on %T", pool)
	}
}

func bareOf[T any](client *river.Client[T], err error) (bare, error) {
	return bare{life: client, insert: func(ctx context.Context, id string) error {
		_, err := client.Insert(ctx, bareArgs{id}, nil)
		return err
	}}, err
}

// BenchmarkQueue is approved jobs through our whole way (approval and job in one transaction, River's
// row, lease, a run that does nothing, final state) and the same number of rows through River alone,
// until River's rows are completed. Making the requests is not timed. River fetches every 100 ms
// at most, one row for each free worker: with few workers that is what bounds both.
func BenchmarkQueue(b *testing.B) {
	for _, database := range databases {
		for _, workers := range []int{4, 64} {
			b.Run(fmt.Sprintf("%s/workers=%d", database, workers), func(b *testing.B) { throughput(b, workers, 80+5*workers) })
		}
	}
}

// throughput takes batches of jobs through both.
func throughput(b *testing.B, workers, batch int) {
	db, other := open(b, fresh(b)), open(b, fresh(b))
	q := newQueue(b, db, walk(db, "me", defaultLeaseTTL, nothing), Options{Regions: map[string]int{"": workers}})
	alone, err := newBare(other, workers)
	require.NoError(b, err)
	require.NoError(b, q.Start(b.Context()))
	require.NoError(b, alone.Start(context.Background())) // ends with Stop
	b.Cleanup(func() { require.NoError(b, alone.Stop(context.Background())) })
	s := storage.NewRequests(db, q.Enqueue, func(string) string { return "" })
	var ours, theirs time.Duration
	jobs := 0
	for b.Loop() {
		for i := range batch {
			ask(b, s, fmt.Sprintf("R-%06d", jobs+i), fmt.Sprintf("host-%d", jobs+i), time.Time{})
		}
		begin := time.Now()
		for i := range batch {
			consent(b, s, fmt.Sprintf("R-%06d", jobs+i), fmt.Sprintf("host-%d", jobs+i))
		}
		completed(b, db, jobs+batch)
		ours += time.Since(begin)
		begin = time.Now()
		for i := range batch {
			require.NoError(b, alone.insert(b.Context(), strconv.Itoa(jobs+i)))
		}
		completed(b, other, jobs+batch)
		theirs += time.Since(begin)
		jobs += batch
	}
	require.Equal(b, jobs, count(b, db, "SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'"))
	b.ReportMetric(0, "ns/op") // of both and of what is not timed
	b.ReportMetric(float64(jobs)/ours.Seconds(), "jobs/s")
	b.ReportMetric(float64(jobs)/theirs.Seconds(), "river-jobs/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-river")
}

// completed waits until that many rows of River are.
func completed(b *testing.B, db *storage.DB, rows int) {
	b.Helper()
	for deadline := time.Now().Add(5 * wait); count(b, db, "SELECT COUNT(*) FROM river_job WHERE state = 'completed'") < rows; {
		require.True(b, time.Now().Before(deadline), "rows are not completed")
		time.Sleep(10 * time.Millisecond)
	}
}

func count(b *testing.B, db *storage.DB, query string) (n int) {
	b.Helper()
	require.NoError(b, db.Read(b.Context(), func(ctx context.Context, tx storage.Tx) error { return tx.QueryRow(ctx, query).Scan(&n) }))
	return n
}

// BenchmarkQueueIdle is what a process costs whose queue has nothing to do, beside one with River
// alone: time on a processor per second, and resident memory.
func BenchmarkQueueIdle(b *testing.B) {
	for _, database := range databases {
		b.Run(database, func(b *testing.B) {
			for b.Loop() {
				ours, theirs := startIdle(b, ""), startIdle(b, "1")
				cpu, rss := ours()
				riverCPU, riverRSS := theirs()
				b.ReportMetric(cpu, "cpu-ms/s")
				b.ReportMetric(riverCPU, "river-cpu-ms/s")
				b.ReportMetric(rss, "rss-MiB")
				b.ReportMetric(riverRSS, "river-rss-MiB")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// startIdle starts a process that idles on a database of its own; the answer waits for its figures.
func startIdle(b *testing.B, alone string) func() (cpu, rss float64) {
	b.Helper()
	url := fresh(b)
	db, err := storage.Open(b.Context(), url, zap.NewNop()) // so that the process does not migrate
	require.NoError(b, err)
	require.NoError(b, db.Close())
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), idleEnv+"="+url, bareEnv+"="+alone)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { kill(cmd) })
	return func() (cpu, rss float64) {
		lines := bufio.NewScanner(out)
		require.True(b, lines.Scan(), "the process ended")
		_, err := fmt.Sscan(lines.Text(), &cpu, &rss)
		require.NoError(b, err, lines.Text())
		kill(cmd)
		return cpu, rss
	}
}

// idle works an empty queue, prints what that costs, and waits to be killed.
func idle(url string, alone bool) int {
	ctx := context.Background()
	db, err := storage.Open(ctx, url, zap.NewNop())
	if err == nil {
		err = startEmpty(ctx, db, alone)
	}
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	time.Sleep(idleSettle)
	before := processorTime()
	time.Sleep(idleFor)
	fmt.Println((processorTime()-before).Seconds()*1000/idleFor.Seconds(), residentMiB())
	select {} // only a signal ends it
}

// startEmpty starts River alone, or our queue as serve starts it.
func startEmpty(ctx context.Context, db *storage.DB, alone bool) error {
	if alone {
		c, err := newBare(db, 4)
		if err != nil {
			return err
		}
		return c.Start(ctx)
	}
	q, err := New(db, walk(db, "idle", defaultLeaseTTL, nothing), Options{Regions: one()}, zap.NewNop())
	if err != nil {
		return err
	}
	go func() { _ = q.TakeOver(ctx) }() // lives as long as the process
	return q.Start(ctx)
}

// processorTime is what this process has used of processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentMiB is this process's memory, by its second number in statm.
func residentMiB() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		panic(err)
	}
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20)
}

// BenchmarkQueueTakeover is the time from the end of a killed worker's lease until another process
// runs its job.
func BenchmarkQueueTakeover(b *testing.B) {
	for _, database := range databases {
		b.Run(database, func(b *testing.B) {
			var late time.Duration
			for b.Loop() {
				late += takeover(b)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(late.Seconds()/float64(b.N), "s-after-lease")
		})
	}
}

// takeover kills a worker in the middle of a job and waits for another; clocks are this machine's.
func takeover(b *testing.B) time.Duration {
	url := fresh(b)
	db := open(b, url)
	approve(b, db, newQueue(b, db, nil, Options{}), "R-AAAA", "db-1", "")
	worker, _ := startChild(b, url, "started", "running")
	ran := make(chan time.Time, 1)
	q := newQueue(b, db, walk(db, "other", 3*time.Second, func(context.Context) error {
		ran <- time.Now()
		return nil
	}), Options{Regions: one()})
	require.NoError(b, q.Start(b.Context()))
	looks, stop := context.WithCancel(b.Context())
	looked := make(chan error, 1)
	go func() { looked <- q.TakeOver(looks) }()
	defer func() { stop(); require.NoError(b, <-looked) }()
	kill(worker)
	until := time.UnixMilli(int64(count(b, db, "SELECT until FROM leases WHERE job_id = 'R-AAAA'")))
	select {
	case at := <-ran:
		ended(b, db, "R-AAAA")
		return at.Sub(until)
	case <-time.After(2 * wait):
		require.Fail(b, "nobody took the job over")
		return 0
	}
}
