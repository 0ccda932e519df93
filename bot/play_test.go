package bot

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/topology"
)

// What people and the engine do.

func (w *world) says(who approvals.Actor, text string) string {
	return w.saysIn(who, "C1", text)
}

// saysIn types a command and returns what its author alone is answered.
func (w *world) saysIn(who approvals.Actor, channel, text string) string {
	w.t.Helper()
	n := len(w.whispers)
	require.NoError(w.t, w.bot.Command(w.t.Context(), Command{Text: text, User: who, Channel: channel, Reply: Reply{User: who.ID, Channel: channel}, At: w.now}))
	w.now = w.now.Add(time.Second)
	return w.heard(n, who)
}

// heard is what was whispered since n, which must have been to one person only.
func (w *world) heard(n int, who approvals.Actor) string {
	w.t.Helper()
	var out []string
	for _, x := range w.whispers[n:] {
		require.Equal(w.t, who.ID, x.to)
		out = append(out, Text(x.m))
	}
	require.LessOrEqual(w.t, len(out), 1, "a person is answered once")
	return strings.Join(out, "")
}

// clicks presses a button of a post by its label, as the post is now.
func (w *world) clicks(who approvals.Actor, key, action string) string {
	w.t.Helper()
	for _, b := range w.message(key).Blocks {
		for _, a := range b.Actions {
			if a.Action == action {
				return w.presses(who, action, a.Value)
			}
		}
	}
	w.t.Fatalf("%s has no button %s:\n%s", key, action, w.show(key))
	return ""
}

// presses sends a click with any value.
func (w *world) presses(who approvals.Actor, action, value string) string {
	w.t.Helper()
	n := len(w.whispers)
	require.NoError(w.t, w.bot.Click(w.t.Context(), Click{Action: action, Value: value, User: who, Channel: cmp.Or(w.in, "C1"), Reply: Reply{User: who.ID, Channel: cmp.Or(w.in, "C1")}}))
	w.now = w.now.Add(time.Second)
	return w.heard(n, who)
}

// tells lets the teller catch up.
func (w *world) tells() {
	w.t.Helper()
	t := w.bot.Teller()
	started, next := false, time.Time{}
	for {
		before := len(w.events)
		require.NoError(w.t, t.round(w.t.Context(), &started, &next))
		if len(w.events) == before && int(w.cursor) >= before {
			return
		}
	}
}

func (w *world) message(key string) Message {
	w.t.Helper()
	i := slices.IndexFunc(w.posts, func(p Post) bool { return p.Key == key })
	require.GreaterOrEqual(w.t, i, 0, "no post %s", key)
	var m Message
	require.NoError(w.t, json.Unmarshal(w.posts[i].Body, &m))
	w.fits(m)
	return m
}

func (w *world) show(key string) string { return Text(w.message(key)) }

// thread is everything posted under a card, in order.
func (w *world) thread(card string) string {
	w.t.Helper()
	var out strings.Builder
	for _, p := range w.posts {
		if p.Parent == card {
			out.WriteString("> " + strings.ReplaceAll(strings.TrimRight(w.show(p.Key), "\n"), "\n", "\n  ") + "\n")
		}
	}
	return out.String()
}

func (w *world) job(id string) *engine.Job {
	for _, jobs := range w.jobs {
		for i := range jobs {
			if jobs[i].ID == id {
				return &jobs[i]
			}
		}
	}
	w.t.Fatalf("no job %s", id)
	return nil
}

// moves is what the engine stores when a job changes.
func (w *world) moves(id string, state engine.JobState, kind engine.EventKind, reason string, data any) {
	j := w.job(id)
	if state != "" {
		j.State, j.Reason = state, reason
	}
	if j.Started.IsZero() && state == engine.JobRunning {
		j.Started = w.now
	}
	if state.Final() {
		j.Ended = w.now
	}
	e := engine.Event{Kind: kind, RequestID: j.RequestID, JobID: id}
	if data != nil {
		e.Data, _ = json.Marshal(data)
	}
	w.append(e)
	w.now = w.now.Add(time.Second)
}

// rebuilds is a finished table.
func (w *world) rebuilds(id string, seq int, after int64, took time.Duration) {
	j := w.job(id)
	st := &j.Steps[seq-1]
	w.now = w.now.Add(took)
	st.State, st.Before, st.After, st.Took, st.Ended, st.Outcome = engine.StepDone, st.Plan.Bytes, after, took, w.now, rebuild.Done
	w.append(engine.Event{Kind: engine.EventTableProcessed, RequestID: j.RequestID, JobID: id, Step: seq})
}

// discovers is what the engine stores of a look at the cluster.
func (w *world) discovers(id string) {
	w.moves(id, engine.JobRunning, engine.EventJobStarted, "", nil)
	w.found = append(w.found, discovery(id, w.now))
	w.moves(id, "", engine.EventDiscovered, "", nil)
	w.moves(id, engine.JobSucceeded, engine.EventJobCompleted, "", nil)
}

const gib, mib = int64(1) << 30, int64(1) << 20

// discovery is a primary with two replicas and what is on the second.
func discovery(id string, at time.Time) engine.Discovery {
	v := dbconn.Version{Flavor: dbconn.MySQL, Major: 9, Minor: 7, Patch: 4, Raw: "9.7.4"}
	node := func(name string, role topology.Role, source string) topology.Instance {
		in := topology.Instance{Name: name, Addr: dbconn.Addr{Host: name, Port: 3307}, Identity: dbconn.Identity("id-" + name), Version: v,
			Role: role, Reached: true, At: at, State: topology.State{ReadOnly: source != "", SuperReadOnly: source != ""}}
		if source != "" {
			in.Links = []topology.Link{{Source: dbconn.Addr{Host: source, Port: 3307}, SourceIdentity: dbconn.Identity("id-" + source),
				SourceLogFile: "b.000001", IORunning: "Yes", SQLRunning: "Yes", Lag: &topology.Lag{From: "status"}}}
		}
		return in
	}
	primary := node("db-prod-1", topology.RolePrimary, "")
	for _, r := range []string{"db-prod-2", "db-prod-3"} {
		primary.Replicas = append(primary.Replicas, topology.Downstream{Addr: dbconn.Addr{Host: r, Port: 3307}, Identity: dbconn.Identity("id-" + r), From: "show_replicas"})
	}
	table := func(schema, name string, bytes, after int64) engine.TableReport {
		return engine.TableReport{
			Table:      tablespace.Table{Schema: schema, Name: name, Engine: "InnoDB", FileBytes: bytes, Space: tablespace.SpaceOwn},
			Prediction: tablespace.Prediction{Bytes: after, Low: after - after/20, High: after + after/20, How: "sampled"},
			Method:     rebuild.Method{Kind: rebuild.Alter, Algorithm: "INPLACE", Lock: "NONE", Reason: "online, in place: reads, writes and replication go on"},
		}
	}
	tables := []engine.TableReport{
		table("shop", "orders", 3*gib, gib), table("shop", "carts", 300*mib, 100*mib), table("shop", "visits", 200*mib, 120*mib),
		table("crm", "notes", 90*mib, 40*mib), table("shop", "small", 10*mib, 9*mib+mib/2),
	}
	slices.SortStableFunc(tables, func(a, b engine.TableReport) int { return cmp.Compare(b.Gain(), a.Gain()) })
	return engine.Discovery{
		ID: id, Cluster: "shop", Target: "db-prod-3", At: at,
		Topology: topology.Topology{Cluster: "shop", Seed: "db-prod-3", At: at, Instances: []topology.Instance{
			primary, node("db-prod-2", topology.RoleReplica, "db-prod-1"), node("db-prod-3", topology.RoleReplica, "db-prod-1"),
		}},
		Hosts: []engine.HostInventory{{Name: "db-prod-3", Tables: tables}},
	}
}

// parted adds a table of 24 partitions, two of which are fragmented.
func parted(d *engine.Discovery) {
	t := d.Hosts[0].Tables[0]
	t.Name, t.FileBytes, t.Partitions = "events", 96*gib, 24
	t.Prediction = tablespace.Prediction{Bytes: 92 * gib, Low: 91 * gib, High: 93 * gib, How: tablespace.HowSampled, PartsOf: 24, Parts: []tablespace.Part{
		{Name: "p2024_01", Bytes: 4 * gib, Predicted: gib, Low: gib, High: gib + gib/8},
		{Name: "p2024_02", Bytes: 4 * gib, Predicted: 3 * gib, Low: 3 * gib, High: 3*gib + gib/8},
		{Name: "p2024_03", Bytes: 4 * gib, Predicted: 4*gib - mib, Low: 3 * gib, High: 4*gib - 1}}}
	d.Hosts[0].Tables = append(d.Hosts[0].Tables, t)
}

// hard makes of a discovery one of a server whose tables need care: an affected version, full-text
// indexes, a general tablespace, predictions that are not certain.
func hard(d *engine.Discovery) {
	for i := range d.Topology.Instances {
		d.Topology.Instances[i].Version = dbconn.Version{Flavor: dbconn.MySQL, Major: 8, Minor: 0, Patch: 36, Raw: "8.0.36"}
	}
	tables := d.Hosts[0].Tables
	tables[1].Prediction.How, tables[1].Prediction.Note = tablespace.HowStatistics, "12 of 300 partitions were read in the time allowed, and the others taken to be like them"
	add := func(name string, space tablespace.Space, features ...tablespace.Feature) {
		t := tables[0]
		t.Name, t.Space, t.Features = name, space, features
		t.Prediction.How = tablespace.HowUsedPages
		d.Hosts[0].Tables = append(d.Hosts[0].Tables, t)
	}
	add("articles", tablespace.SpaceOwn, tablespace.FullText)
	for i := range 16 {
		add(fmt.Sprintf("archive_%02d", i+1), tablespace.SpaceGeneral)
	}
}
