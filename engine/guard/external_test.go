package guard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/topology"
)

// truth is a local HTTP server that answers like an inventory, and counts.
type truth struct {
	*httptest.Server
	asked  atomic.Int64
	path   atomic.Value
	answer atomic.Value // func(http.ResponseWriter)
}

func newTruth(t *testing.T) *truth {
	tr := &truth{}
	tr.say(`{}`)
	tr.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.asked.Add(1)
		tr.path.Store(r.URL.EscapedPath() + " " + r.Header.Get("Authorization"))
		tr.answer.Load().(func(http.ResponseWriter))(w)
	}))
	t.Cleanup(tr.Close)
	return tr
}

// say sets the body of the next answers.
func (tr *truth) say(body string) {
	tr.do(func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, body) })
}

// do sets the whole next answers.
func (tr *truth) do(f func(http.ResponseWriter)) { tr.answer.Store(f) }

// trio is a primary with two replicas, as a walk sees them.
func trio() topology.Topology {
	at := time.Date(2026, 3, 1, 14, 2, 11, 0, time.UTC)
	version, _ := dbconn.ParseVersion("8.0.46")
	uuid := func(n int) dbconn.Identity {
		return dbconn.Identity(fmt.Sprintf("0000000%d-0000-0000-0000-000000000000", n))
	}
	topo := topology.Topology{Cluster: "prod", At: at}
	for n := 1; n <= 3; n++ {
		i := topology.Instance{Name: fmt.Sprintf("db-prod-%d", n), Addr: dbconn.Addr{Host: fmt.Sprintf("10.0.0.%d", n), Port: 3306},
			Identity: uuid(n), ServerID: uint32(n), Version: version, Role: topology.RoleReplica, Reached: true, At: at,
			State:        topology.State{ReadOnly: true, SuperReadOnly: true, LogBin: true, LogUpdates: true, GTIDMode: true},
			GTIDExecuted: string(uuid(1)) + ":1-100"}
		if n == 1 {
			i.Role, i.State.ReadOnly, i.State.SuperReadOnly = topology.RolePrimary, false, false
		} else {
			i.Links = []topology.Link{{Source: topo.Instances[0].Addr, SourceIdentity: uuid(1), SourceServerID: 1,
				SourceLogFile: "bin.000001", IORunning: "Yes", SQLRunning: "Yes"}}
			topo.Instances[0].Replicas = append(topo.Instances[0].Replicas,
				topology.Downstream{Addr: i.Addr, Identity: i.Identity, ServerID: i.ServerID, From: topology.FromReplicas})
		}
		topo.Instances = append(topo.Instances, i)
	}
	return topo
}

// subject is a fresh read of one server of a topology, as its plan expects it.
func subject(topo topology.Topology, name string) guard.Subject {
	i, _ := topo.Find(name)
	return guard.Subject{Instance: i, Fresh: true, Topology: topo, Expect: guard.Expectation{Identity: i.Identity, Role: i.Role}}
}

func TestExternalInventory(t *testing.T) {
	t.Parallel()
	tr := newTruth(t)
	now := time.Now()
	g := guard.New(guard.NewExternal(guard.ExternalConfig{URL: tr.URL + "/hosts/{cluster}/{name}/{host}/{port}", Path: "data.role",
		Replica: []string{"replica", "read-replica"}, Header: map[string]string{"Authorization": "Bearer hush"},
		Timeout: 100 * time.Millisecond, Retries: 1, Remember: time.Minute, Now: func() time.Time { return now }}))
	s := subject(trio(), "db-prod-2")
	ask := func() guard.Finding { return g.Ask(t.Context(), s).Findings[0] }

	tr.say(`{"data":{"role":"Read-Replica"}}`)
	require.False(t, ask().Refused)
	require.Equal(t, "/hosts/prod/db-prod-2/10.0.0.2/3306 Bearer hush", tr.path.Load())
	require.False(t, ask().Refused)
	require.EqualValues(t, 2, tr.asked.Load(), "an acceptance is never remembered")

	tr.say(`{"data":{"role":"primary"}}`)
	f := ask()
	require.True(t, f.Refused)
	require.False(t, f.Unknown)
	require.Equal(t, `db-prod-2 is "primary" for the external source of truth`, f.Sentence)
	tr.say(`{"data":{"role":"replica"}}`)
	require.True(t, ask().Refused, "a refusal is remembered")
	require.EqualValues(t, 3, tr.asked.Load())
	now = now.Add(time.Minute)
	require.False(t, ask().Refused, "for its time")

	for name, body := range map[string]func(http.ResponseWriter){
		"no value":  func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, `{"data":{}}`) },
		"null":      func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, `{"data":{"role":null}}`) },
		"no JSON":   func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, `role=replica`) },
		"not found": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"trouble":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"silence":   func(http.ResponseWriter) { time.Sleep(300 * time.Millisecond) },
	} {
		tr.do(body)
		before := tr.asked.Load()
		f := ask()
		require.True(t, f.Refused, name)
		require.True(t, f.Unknown, name)
		require.NotContains(t, f.Evidence, tr.URL)
		require.NotContains(t, f.Evidence, "hush")
		want := int64(1)
		if name == "trouble" || name == "silence" {
			want = 2
		}
		require.Equal(t, want, tr.asked.Load()-before, "attempts for %s", name)
	}
	tr.Close()
	require.True(t, ask().Unknown)
}

// What is remembered of one server refuses no other, even where one URL answers for all of them.
func TestExternalRemembersByServer(t *testing.T) {
	t.Parallel()
	tr := newTruth(t)
	tr.say(`{"Key":{"Hostname":"10.0.0.1","Port":3306}}`)
	g := guard.New(guard.NewExternal(guard.ExternalConfig{URL: tr.URL + "/api/master/{cluster}", Answer: guard.AnswerPrimary,
		Path: "Key.Hostname", PortPath: "Key.Port", Remember: time.Minute}))
	require.False(t, g.Ask(t.Context(), subject(trio(), "db-prod-1")).Allowed())
	v := g.Ask(t.Context(), subject(trio(), "db-prod-2"))
	require.True(t, v.Allowed(), "%v", v.Reasons())
	tr.say(`{"Key":{"Hostname":"10.0.0.2","Port":3306}}`)
	require.Equal(t, []string{"db-prod-1 is the primary for the external source of truth"}, g.Ask(t.Context(), subject(trio(), "db-prod-1")).Reasons(), "a refusal is remembered")
	require.False(t, g.Ask(t.Context(), subject(trio(), "db-prod-2")).Allowed(), "an acceptance is not")
}

func TestExternalOrchestrator(t *testing.T) {
	t.Parallel()
	tr := newTruth(t)
	g := guard.New(guard.NewExternal(guard.ExternalConfig{URL: tr.URL + "/api/master/{cluster}", Answer: guard.AnswerPrimary,
		Path: "Key.Hostname", PortPath: "Key.Port"}))
	ask := func(name string) guard.Finding { return g.Ask(t.Context(), subject(trio(), name)).Findings[0] }

	tr.say(`{"Key":{"Hostname":"10.0.0.1","Port":3306},"ReadOnly":false,"SlaveHosts":[]}`)
	require.False(t, ask("db-prod-2").Refused)
	require.Equal(t, "db-prod-1 is the primary for the external source of truth, not db-prod-2", ask("db-prod-2").Sentence)
	require.Equal(t, "db-prod-1 is the primary for the external source of truth", ask("db-prod-1").Sentence)
	require.True(t, ask("db-prod-1").Refused)

	tr.say(`{"Key":{"Hostname":"10.0.0.3","Port":3306}}`)
	f := ask("db-prod-2")
	require.True(t, f.Refused, "a failover is under way, or somebody is wrong")
	require.Equal(t, "the external source of truth names db-prod-3 as primary, the topology says it is a replica", f.Sentence)
	require.True(t, ask("db-prod-3").Refused)

	tr.say(`{"Key":{"Hostname":"10.0.0.9","Port":3306}}`)
	require.True(t, ask("db-prod-2").Unknown)
	tr.say(`{"Code":"ERROR","Message":"no such cluster"}`)
	require.True(t, ask("db-prod-2").Unknown)
}
