package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/throttle"
)

// odd is a partition whose name must be quoted, and which files write in another way.
const odd = "p`Ü 2"

// events fills shop.events: six partitions, two of which are mostly deleted.
func (w *world) events() {
	w.t.Helper()
	conn, err := w.cluster.Nodes[0].DB().Conn(w.t.Context())
	require.NoError(w.t, err)
	defer func() { _ = conn.Close() }()
	run := func(query string) {
		_, err := conn.ExecContext(w.t.Context(), query)
		require.NoError(w.t, err, query)
	}
	const rows = 20_000
	create := "CREATE TABLE shop.events (id INT PRIMARY KEY, payload VARCHAR(250) NOT NULL) PARTITION BY RANGE (id) ("
	for i, name := range []string{"p1", odd, "p3", "p4", "p5"} {
		create += fmt.Sprintf("PARTITION %s VALUES LESS THAN (%d), ", dbconn.QuoteName(name), (i+1)*rows)
	}
	run(create + "PARTITION p6 VALUES LESS THAN MAXVALUE)")
	run("INSERT INTO shop.events VALUES (0, REPEAT('x', 200))")
	for have := 1; have < 6*rows; have *= 2 {
		run(fmt.Sprintf("INSERT INTO shop.events SELECT id + %[1]d, payload FROM shop.events WHERE id + %[1]d < %[2]d", have, 6*rows))
	}
	run("ALTER TABLE shop.events FORCE") // so that nothing is to be had from those that stay full
	run(fmt.Sprintf("DELETE FROM shop.events WHERE (id BETWEEN %d AND %d OR id BETWEEN %d AND %d) AND CRC32(CONCAT('gone', id)) %% 10 < 7",
		rows, 2*rows-1, 4*rows, 5*rows-1))
	require.NoError(w.t, w.cluster.WaitReplicated(w.t.Context()))
	require.NoError(w.t, w.cluster.WaitPurged(w.t.Context())) // files grow a little by it
}

// partition is what a server says of one partition of shop.events.
func (w *world) partition(node int, name string) tablespace.State {
	w.t.Helper()
	srv, err := w.access.Open(w.t.Context(), w.access.Hosts[node].Addr)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, srv.Close()) }()
	s, err := tablespace.StatPartition(w.t.Context(), srv, srv.Version, "shop", "events", name)
	require.NoError(w.t, err)
	return s
}

// eventsOf are the steps of a plan by name, those of shop.events.
func eventsOf(p engine.Plan) (names []string) {
	for _, s := range p.Hosts[0].Steps {
		if s.Table == "events" {
			names = append(names, s.Name())
		}
	}
	slices.Sort(names)
	return names
}

// eachFlavor runs a test on a cluster of each.
func eachFlavor(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			w := newWorldOf(t, mysqltest.Options{Flavor: flavor, Shape: "1+1", GeneralLog: true}, small1)
			w.events()
			w.policy.AllowCopy = true
			w.adjust = single
			f(t, w)
		})
	}
}

// single are settings under which small files are worth it, which grow by steps while purge works.
func single(s *engine.ClusterSettings) { s.MinShare, s.Tolerance = 0.03, 9 }

// seenAs answers every question with one discovery.
type seenAs struct{ engine.Discovery }

func (s seenAs) NewestDiscovery(context.Context, string, string) (engine.Discovery, error) {
	return s.Discovery, nil
}
func (s seenAs) SaveDiscovery(context.Context, engine.Lease, engine.Discovery) error { return nil }

// Single partitions are planned only where writes may wait and where it pays: when a few partitions
// hold what there is to gain, or the disk has no room for more.
func TestPlanOfSinglePartitions(t *testing.T) {
	eachFlavor(t, func(t *testing.T, w *world) {
		w.discover("db-2")
		parts, whole := []string{"shop.events (p5)", "shop.events (" + odd + ")"}, []string{"shop.events"}
		p := w.plan("db-2")
		require.Equal(t, parts, eventsOf(p))
		for _, s := range p.Hosts[0].Steps {
			if s.Table == "events" {
				require.True(t, s.Method.Blocks())
				require.Equal(t, "2 of 6 partitions are fragmented, and each is rebuilt by itself; writes to the table, and so replication of this node, wait meanwhile", s.Method.Reason)
				require.Equal(t, w.partition(1, s.Partition).Bytes, s.Bytes)
			}
		}
		w.policy.AllowCopy = false
		require.Equal(t, whole, eventsOf(w.plan("db-2")), "writes may not wait")
		w.policy.CheckRows = true
		p = w.plan("db-2")
		require.Equal(t, parts, eventsOf(p), "the applier is stopped either way")
		require.True(t, p.Hosts[0].Steps[0].Method.StopSQL)
		require.Contains(t, p.Hosts[0].Steps[0].Method.Reason, "; the applier is stopped so that rows can be counted")
		w.policy = engine.Policy{AllowCopy: true}

		found, err := w.journal.NewestDiscovery(t.Context(), "db", "db-2")
		require.NoError(t, err)
		plan := func(change func(*engine.HostInventory, *engine.TableReport)) []string {
			d := found
			d.Hosts = slices.Clone(d.Hosts)
			for i := range d.Hosts {
				d.Hosts[i].Tables = slices.Clone(d.Hosts[i].Tables)
				for j := range d.Hosts[i].Tables {
					if tb := &d.Hosts[i].Tables[j]; tb.Name == "events" {
						tb.Prediction.Parts = slices.Clone(tb.Prediction.Parts)
						change(&d.Hosts[i], tb)
					}
				}
			}
			q := &engine.Planner{Discoveries: seenAs{d}, Now: time.Now, Guards: func(string) *guard.Guard { return guard.Default(guard.ExternalConfig{}) }}
			target, err := w.Find("db-2")
			require.NoError(t, err)
			p, err := q.Plan(t.Context(), engine.PlanSpec{Target: target})
			require.NoError(t, err)
			return eventsOf(p)
		}
		require.Equal(t, parts, plan(func(*engine.HostInventory, *engine.TableReport) {}))
		spread := func(_ *engine.HostInventory, tb *engine.TableReport) { tb.Prediction.Bytes -= 12 << 20 } // the others give back too
		require.Equal(t, whole, plan(spread), "most of the gain is elsewhere")
		require.Equal(t, whole, plan(func(_ *engine.HostInventory, tb *engine.TableReport) {
			tb.Prediction.Bytes = 2 * (tb.Prediction.Parts[0].Predicted + tb.Prediction.Parts[1].Predicted) * 9 / 10
		}), "more than half would be written anyway")
		require.Equal(t, whole, plan(func(h *engine.HostInventory, tb *engine.TableReport) {
			spread(h, tb)
			h.Free.Data = tb.Prediction.High
		}), "there is room")
		require.Equal(t, parts, plan(func(h *engine.HostInventory, tb *engine.TableReport) {
			spread(h, tb)
			h.Free.Data = tb.Prediction.High - 1
		}), "there is room for a partition only")
		require.Equal(t, whole, plan(func(h *engine.HostInventory, tb *engine.TableReport) {
			spread(h, tb)
			h.Free.Data = 1
		}), "nor for that")
		require.Equal(t, whole, plan(func(_ *engine.HostInventory, tb *engine.TableReport) { tb.Prediction.Parts = nil }), "of an older look")
	})
}

// A job rebuilds the partitions one after the other, also with two workers, by one statement each; the
// lag that writers have of it is what was approved; a partition that is gone since is left alone.
func TestRebuildSinglePartitions(t *testing.T) {
	eachFlavor(t, func(t *testing.T, w *world) {
		w.adjust = func(s *engine.ClusterSettings) {
			single(s)
			s.Parallel, s.LockWait, s.Limits = 2, 5*time.Minute, throttle.Limits{MaxLag: time.Second, CriticalLag: 2 * time.Second}
		}
		w.options.Disks = func(string, string) throttle.Outside {
			return throttle.Outside{Data: throttle.FirstKnown{throttle.Fixed(50 << 30)}}
		}
		w.dispatcher = engine.NewDispatcher(w.options)
		w.discover("db-2")
		p := w.plan("db-2")
		require.Len(t, p.Hosts[0].Steps, 3)
		before := map[string]tablespace.State{}
		for _, name := range []string{"p1", odd, "p3", "p4", "p5", "p6"} {
			before[name] = w.partition(1, name)
		}
		id := w.recycle("db-2", p)
		release := w.holds(1, "shop.events")
		end := w.background(t.Context(), id)
		of := func(table string, state engine.StepState) (n int) {
			for _, s := range w.job(id).Steps {
				if s.Plan.Table == table && s.State == state {
					n++
				}
			}
			return n
		}
		w.eventually("the other table is done beside it", func() bool { return of("carts", engine.StepDone) == 1 && w.ours(1) == 1 })
		w.eventually("the replica falls behind", func() bool {
			require.NoError(t, w.cluster.Nodes[0].Exec(t.Context(), "UPDATE shop.events SET payload = UUID() ORDER BY id LIMIT 1"))
			return w.behind() >= 6 // two looks of the throttle beyond the limit
		})
		require.Equal(t, 1, w.ours(1), "what was approved goes on")
		require.Equal(t, 1, of("events", engine.StepRunning))
		require.Equal(t, 1, of("events", engine.StepPending), "the second worker leaves the table to the first")
		release()
		require.NoError(t, end())
		j := w.job(id)
		require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
		require.Equal(t, map[string]int{"1": 1, "2": 1, "3": 1}, w.sent(1))
		for name, was := range before {
			now := w.partition(1, name)
			if name != odd && name != "p5" {
				require.Equal(t, was.Spaces, now.Spaces, name)
				continue
			}
			require.Greater(t, now.Spaces.Least, was.Newest)
			require.Less(t, now.Bytes, was.Bytes*9/10)
			i := slices.IndexFunc(j.Steps, func(s engine.Step) bool { return s.Plan.Partition == name })
			require.Equal(t, now.Bytes, j.Steps[i].After)
			require.GreaterOrEqual(t, j.Steps[i].Before, was.Bytes, "purge may have taken more since")
		}

		// It is dropped, or the table is no longer parted at all.
		for _, change := range []struct{ sql, reason string }{
			{"ALTER TABLE shop.events DROP PARTITION p5", "the partition is gone since the plan was made"},
			{"ALTER TABLE shop.events REMOVE PARTITIONING", "the partition is gone since the plan was made"},
		} {
			require.NoError(t, w.cluster.Nodes[0].Exec(t.Context(), change.sql))
			require.NoError(t, w.cluster.WaitReplicated(t.Context()))
			id = w.recycle("db-2", p)
			require.NoError(t, w.dispatcher.Run(t.Context(), id))
			j = w.job(id)
			require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
			i := slices.IndexFunc(j.Steps, func(s engine.Step) bool { return s.Plan.Partition == "p5" })
			require.Equal(t, engine.StepSkipped, j.Steps[i].State)
			require.Equal(t, change.reason, j.Steps[i].Reason)
		}
	})
}

// A process that dies under a partition leaves its statement to the next one; what a job left undone of
// a table that is done in part is planned again only from a new look.
func TestSinglePartitionsAfterADeath(t *testing.T) {
	eachFlavor(t, func(t *testing.T, w *world) {
		w.discover("db-2")
		p := w.plan("db-2")
		p.Hosts[0].Steps = slices.DeleteFunc(p.Hosts[0].Steps, func(s engine.PlannedStep) bool { return s.Partition == "" })
		for i := range p.Hosts[0].Steps {
			p.Hosts[0].Steps[i].Seq = i + 1
		}
		require.Len(t, p.Hosts[0].Steps, 2)
		id := w.recycle("db-2", p)
		w.lives(id, 8, 2)
		j := w.job(id)
		require.Equal(t, engine.JobSucceeded, j.State, j.Reason)
		for _, s := range j.Steps {
			require.Equal(t, engine.StepDone, s.State, s.Reason)
			require.Equal(t, w.partition(1, s.Plan.Partition).Bytes, s.After)
		}
		require.Equal(t, map[string]int{"1": 1, "2": 1}, w.sent(1), "rebuilt once each, by the server's word")
		require.Zero(t, w.leftovers(1))

		j.State, j.Steps[1].State = engine.JobFailed, engine.StepFailed
		rest, err := engine.RestOf(id, []engine.Job{j})
		require.NoError(t, err)
		require.Equal(t, 1, rest.Count())
		target, err := w.Find("db-2")
		require.NoError(t, err)
		var no *engine.Problem
		_, err = w.planner.Plan(t.Context(), engine.PlanSpec{Target: target, Rest: &rest})
		require.ErrorAs(t, err, &no)
		require.Equal(t, "stale_snapshot", no.Code)
		require.True(t, strings.HasPrefix(no.Text, "Partitions of shop.events on db-2 were rebuilt"), no.Text)
	})
}

// The digest of a plan that has no partitions is the one it had before there were any.
func TestDigestWithoutPartitions(t *testing.T) {
	t.Parallel()
	plain := engine.Plan{Hosts: []engine.HostPlan{{Steps: []engine.PlannedStep{{Seq: 1, Schema: "s", Table: "t", Method: rebuild.Method{Kind: rebuild.Alter}}}}}}
	require.Equal(t, digestBefore, plain.Digest())
	plain.Hosts[0].Steps[0].Partition = "p"
	require.NotEqual(t, digestBefore, plain.Digest())
	require.Equal(t, "s.t (p)", plain.Hosts[0].Steps[0].Name())
}

// digestBefore was made by a release that knew no single partitions.
const digestBefore = "6baf21ee1eec646762b240109d5104e5e8e5d999f43121a2334bad996c6b1e0b"

// The server dies under a partition, after it has copied it on MariaDB, and comes back: nothing of the new
// file stays, and the partition is rebuilt.
func TestServerDiesUnderAPartition(t *testing.T) {
	eachFlavor(t, func(t *testing.T, w *world) {
		w.adjust = func(s *engine.ClusterSettings) { single(s); s.LockWait = 5 * time.Minute }
		w.discover("db-2")
		p := w.plan("db-2")
		p.Hosts[0].Steps = slices.DeleteFunc(p.Hosts[0].Steps, func(s engine.PlannedStep) bool { return s.Partition != odd })
		p.Hosts[0].Steps[0].Seq = 1
		id, before := w.recycle("db-2", p), w.partition(1, odd)
		w.holds(1, "shop.events")
		end := w.background(t.Context(), id)
		w.running(1)
		w.eventually("it is measured", func() bool { return len(w.live.Progress(id)) > 0 })
		require.Equal(t, "shop.events ("+odd+")", w.live.Progress(id)[0].Table)
		require.NoError(t, w.cluster.Nodes[1].Kill())
		require.NoError(t, w.cluster.Nodes[1].Restart(t.Context()))
		require.NoError(t, end())
		j := w.job(id)
		now := w.partition(1, odd)
		require.Equal(t, engine.JobSucceeded, j.State, "%s %+v", j.Reason, j.Steps)
		require.Equal(t, engine.StepDone, j.Steps[0].State, j.Steps[0].Reason)
		require.Equal(t, now.Bytes, j.Steps[0].After)
		require.Greater(t, now.Spaces.Least, before.Newest)
		var files int
		require.NoError(t, w.cluster.Nodes[1].DB().QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM information_schema."+w.tablespaces()+" WHERE NAME LIKE 'shop/events%'").Scan(&files))
		require.Equal(t, 6, files)
		require.True(t, w.readOnly(1))
	})
}
