package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/storage"
)

// envChild makes the test binary a worker process that a test kills; its value is an order.
const envChild = "RECYCLER_ENGINE_CHILD"

// order is what a child does.
type order struct {
	DB    string
	Job   string
	Hosts []dbconn.Host
	Login string // of pt-online-schema-change; empty: no executor
	Hooks []string
}

// child is a process of the product as far as jobs are concerned: it takes over what a dead one
// left, by the same proof that the queue uses, and walks the job.
func child(text string) {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
	}
	var o order
	must(json.Unmarshal([]byte(text), &o))
	ctx := context.Background()
	db, err := storage.Open(ctx, o.DB, zap.NewNop())
	must(err)
	leases, journal := storage.NewLeases(db), storage.NewJournal(db)
	_, err = db.JoinWorkers(ctx, func(ctx context.Context) error {
		return db.InTx(ctx, func(ctx context.Context, tx storage.Tx) error { return leases.EndAll(ctx, tx) })
	})
	must(err)
	w := &world{access: &dbconn.Access{Cluster: "db", User: "recycler", Hosts: o.Hosts,
		Password: func() (string, error) { return password, nil }}}
	d := engine.NewDispatcher(engine.Options{
		Journal: journal, Leases: leases, Discoveries: journal, Neighbours: journal, Targets: w, Live: engine.NewLive(), Plugins: childPlugins(o),
		Guards: func(string) *guard.Guard { return guard.Default(guard.ExternalConfig{}) },
		Disks: func(string, string) throttle.Outside {
			return throttle.Outside{Data: throttle.FirstKnown{throttle.Fixed(50 << 30)}}
		},
		Owner: fmt.Sprint("child-", os.Getpid()), Heartbeat: 50 * time.Millisecond, WatchEvery: 100 * time.Millisecond, Log: zap.NewNop(),
	})
	must(d.Run(ctx, o.Job))
}

// process is a child that has not been started, and what it says.
func (w *world) process(o order) (*exec.Cmd, *bytes.Buffer) {
	w.t.Helper()
	o.DB, o.Hosts = w.url(), w.access.Hosts
	text, err := json.Marshal(o)
	require.NoError(w.t, err)
	var out bytes.Buffer
	c := exec.CommandContext(w.t.Context(), os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), envChild+"="+string(text)), &out
	return c, &out
}

// lives starts a child again and again and kills each after a random time, until the job ends or
// there were enough kills; the last one is left alone. The time grows and shrinks so that the
// kills spread over the whole job, whatever the machine.
func (w *world) lives(id string, kills, tables int) (killed int) {
	span := 300 * time.Millisecond
	for {
		c, out := w.process(order{Job: id})
		require.NoError(w.t, c.Start())
		if killed < kills {
			timer := time.AfterFunc(rand.N(span), func() { _ = c.Process.Kill() })
			err := c.Wait()
			timer.Stop()
			if err == nil {
				return killed
			}
			require.Equal(w.t, "signal: killed", err.Error(), out.String())
			killed++
		} else {
			require.NoError(w.t, c.Wait(), out.String())
			return killed
		}
		done := 0
		for _, s := range w.job(id).Steps {
			if s.State == engine.StepDone {
				done++
			}
		}
		if done*kills < killed*tables {
			span = min(span*5/4, 3*time.Second)
		} else {
			span = max(span*4/5, 50*time.Millisecond)
		}
	}
}

// The proof of recovery: our process dies by SIGKILL at a hundred random moments of one job, and
// the server's own log says that every table was rebuilt exactly once.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	killedAtRandomMoments(t, mysqltest.MariaDB, 30, 100, 1)
}

// The same with super_read_only to be lifted and put back, and two tables at once.
func TestKilledAtRandomMomentsWithTwoAtOnce(t *testing.T) {
	t.Parallel()
	killedAtRandomMoments(t, mysqltest.MySQL, 16, 40, 2)
}

func killedAtRandomMoments(t *testing.T, flavor mysqltest.Flavor, tables, kills, atOnce int) {
	t.Helper()
	var specs []mysqltest.TableSpec
	for i := range tables {
		specs = append(specs, mysqltest.TableSpec{Schema: "shop", Name: fmt.Sprintf("t%02d", i), Rows: 3500 + 10*i, RowBytes: 150, DeletePercent: 60})
	}
	w := newWorldOf(t, mysqltest.Options{Flavor: flavor, Shape: "1+1", GeneralLog: true}, specs...)
	w.adjust = func(s *engine.ClusterSettings) { s.MinGain, s.MinShare, s.Parallel = 1, 0.01, atOnce }
	w.discover("db-2")
	p := w.plan("db-2")
	require.Len(t, p.Hosts[0].Steps, tables)

	start, killed := time.Now(), 0
	for jobs := 0; killed < kills; jobs++ { // a job that got away early is followed by another
		require.Less(t, jobs, 4, "the moments are spread over whole jobs")
		id := w.recycle("db-2", p)
		killed += w.lives(id, kills-killed, tables)
		w.rebuiltOnce(id)
	}
	t.Logf("%d kills in %s", killed, time.Since(start).Round(time.Second))
	require.Empty(t, w.sent(0))
	require.Zero(t, w.leftovers(1))
	require.Empty(t, w.ownTransactions(1))
	require.True(t, w.readOnly(1))
	if flavor == mysqltest.MySQL {
		require.Equal(t, "1", w.variable(1, "super_read_only"))
	}
}

// rebuiltOnce proves by the server's own log that a job that ended rebuilt each of its tables once.
func (w *world) rebuiltOnce(id string) {
	t, j := w.t, w.job(id)
	t.Helper()
	require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
	text, err := w.cluster.Nodes[1].GeneralLog()
	require.NoError(t, err)
	adopted := 0
	for _, s := range j.Steps {
		require.Equal(t, engine.StepDone, s.State)
		require.Equal(t, 1, strings.Count(text, fmt.Sprintf("ALTER /* recycler job=%s step=%d */", id, s.Seq)), "%s was rebuilt once, by the server's word", s.Plan.Table)
		require.Equal(t, s.After, w.bytes(1, "shop."+s.Plan.Table))
		if s.Outcome == "adopted" {
			adopted++
		}
	}
	t.Logf("%d of %d tables were adopted from a dead process", adopted, len(j.Steps))
	told := 0
	for _, k := range w.kinds(id) {
		if k == engine.EventTableProcessed {
			told++
		}
	}
	require.Len(t, j.Steps, told, "each table is told once")
	require.Empty(t, j.Settings)
}
