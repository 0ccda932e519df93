package queue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// childEnv makes the test binary a worker on the database it names.
const childEnv = "RECYCLER_TEST_WORKER"

// child works the queue of a database until it is killed: a process that holds its job until
// it gets SIGUSR1.
func child(url string) int {
	ctx := context.Background()
	db, err := storage.Open(ctx, url, zap.NewNop())
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGUSR1)
	work := walk(db, "child", 3*time.Second, func(ctx context.Context) error {
		fmt.Println("running")
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	run := func(ctx context.Context, id string) error {
		err := work(ctx, id)
		if errors.Is(err, engine.ErrLeaseLost) {
			fmt.Println("lost")
		}
		return err
	}
	q, err := New(db, run, Options{Regions: one(), LeaseTTL: 3 * time.Second, RescueAfter: 4 * time.Second}, zap.NewNop())
	if err == nil {
		err = q.Start(ctx)
	}
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("started")
	select {} // only a signal ends it
}

// startChild starts a worker process and waits until it says the words.
func startChild(t testing.TB, url string, words ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	lines := bufio.NewScanner(out)
	for _, word := range words {
		require.True(t, lines.Scan(), "the worker process ended")
		require.Equal(t, word, strings.TrimSpace(lines.Text()))
	}
	return cmd, lines
}

// kill is kill -9, and waits until the process is gone.
func kill(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	}
}

// The only process is killed in the middle of a job and started again.
func TestRestartAfterKill(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	db := open(t, url)
	handIn := newQueue(t, db, nil, Options{})
	approve(t, db, handIn, "R-AAAA", "db-1", "")
	worker, _ := startChild(t, url, "started", "running")
	kill(worker)

	begin := time.Now()
	q := newQueue(t, db, walk(db, "next", 3*time.Second, nothing), Options{Regions: one(), LeaseTTL: 3 * time.Second, RescueAfter: 4 * time.Second})
	require.NoError(t, q.Start(t.Context()))
	ended(t, db, "R-AAAA")
	took := time.Since(begin)
	t.Logf("the restarted process went on after %s", took)
	if !onPostgres(t) { // there nobody can know that he is alone, and the rescuer takes its time
		require.Less(t, took, 15*time.Second)
	}
	require.Equal(t, []string{"child", "next"}, starts(t, db, "R-AAAA"))
	approve(t, db, q, "R-BBBB", "db-1", "")
	ended(t, db, "R-BBBB")
}

// A second process is alive while the first is killed: River's rescuer asks the lease.
func TestTakeoverByOtherProcess(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	db := open(t, url)
	handIn := newQueue(t, db, nil, Options{})
	approve(t, db, handIn, "R-AAAA", "db-1", "")
	worker, _ := startChild(t, url, "started", "running")

	opts := Options{Regions: one(), LeaseTTL: 3 * time.Second, RescueAfter: 4 * time.Second}
	q := newQueue(t, db, walk(db, "other", 3*time.Second, nothing), opts)
	require.NoError(t, q.Start(t.Context()))
	require.Equal(t, []string{"child"}, starts(t, db, "R-AAAA"), "a starting process leaves a live one's job alone")
	begin := time.Now()
	kill(worker)
	require.Eventually(t, func() bool { return stateOf(t, db, "R-AAAA") == "succeeded" }, 2*time.Minute, 50*time.Millisecond)
	t.Logf("the other process took over after %s", time.Since(begin))
	require.Equal(t, []string{"child", "other"}, starts(t, db, "R-AAAA"))
}

// A process freezes (a paused virtual machine), loses its job to another, and thaws: what it
// still wants to write is refused.
func TestFrozenWorkerIsFenced(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	db := open(t, url)
	handIn := newQueue(t, db, nil, Options{})
	approve(t, db, handIn, "R-AAAA", "db-1", "")
	worker, says := startChild(t, url, "started", "running")
	hold := make(chan struct{})
	opts := Options{Regions: one(), LeaseTTL: 3 * time.Second, RescueAfter: 4 * time.Second}
	q := newQueue(t, db, walk(db, "other", 3*time.Second, func(ctx context.Context) error {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return ctx.Err()
	}), opts)
	require.NoError(t, q.Start(t.Context()))
	require.NoError(t, worker.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool { return len(starts(t, db, "R-AAAA")) == 2 }, 2*time.Minute, 100*time.Millisecond)
	require.NoError(t, worker.Process.Signal(syscall.SIGCONT))
	require.NoError(t, worker.Process.Signal(syscall.SIGUSR1)) // its work is done now, it thinks
	require.True(t, says.Scan())
	require.Equal(t, "lost", says.Text())
	require.Equal(t, engine.JobRunning, stateOf(t, db, "R-AAAA"))
	close(hold)
	ended(t, db, "R-AAAA")
	require.Equal(t, []string{"child", "other"}, starts(t, db, "R-AAAA"))
}

// A long job that lives is left alone by the rescuer of the process itself and of another, for
// many times RescueStuckJobsAfter and at least one tick of the rescuer (every 30 s).
func TestLongJobIsLeftAlone(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	db, second := open(t, url), open(t, url)
	opts := Options{Regions: one(), LeaseTTL: 3 * time.Second, RescueAfter: 4 * time.Second}
	end := make(chan struct{})
	stay := func(ctx context.Context) error {
		select {
		case <-end:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a := newQueue(t, db, walk(db, "a", 3*time.Second, stay), opts)
	b := newQueue(t, second, walk(second, "b", 3*time.Second, stay), opts)
	require.NoError(t, a.Start(t.Context()))
	require.NoError(t, b.Start(t.Context()))
	approve(t, db, a, "R-AAAA", "db-1", "")
	deadline := time.Now().Add(40 * time.Second)
	for time.Now().Before(deadline) {
		require.LessOrEqual(t, len(starts(t, db, "R-AAAA")), 1)
		time.Sleep(250 * time.Millisecond) // the job must stay as it is for all this time
	}
	close(end)
	ended(t, db, "R-AAAA")
	require.Len(t, starts(t, db, "R-AAAA"), 1)
}
