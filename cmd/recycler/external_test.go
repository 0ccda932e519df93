package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/configs"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/topology"
)

// The two shapes that the example file documents, from the file to the verdict, against a local
// server.
func TestExternalSources(t *testing.T) {
	t.Parallel()
	require.Equal(t, guard.AskTimeout, configs.GuardAsk, "the configuration is held to what the guard waits")
	answers := map[string]string{
		"/hosts/db-1":     `{"data":{"role":"primary"}}`,
		"/hosts/db-2":     `{"data":{"role":"replica"}}`,
		"/api/master/db":  `{"Key":{"Hostname":"10.0.0.1","Port":3306},"IsCoMaster":false}`,
		"/api/master/db2": `{"Key":{"Hostname":"10.0.0.2","Port":3306}}`,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hush" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(answers[r.URL.Path]))
	}))
	t.Cleanup(srv.Close)
	cmdb := `{url: "` + srv.URL + `/hosts/{name}", token: hush, json_path: data.role}`
	orchestrator := `{url: "` + srv.URL + `/api/master/{cluster}", token: hush, answer: primary, json_path: Key.Hostname, port_path: Key.Port}`
	topo := topology.Topology{Cluster: "db", Instances: []topology.Instance{
		{Name: "db-1", Addr: dbconn.Addr{Host: "10.0.0.1", Port: 3306}, Identity: "1", Role: topology.RolePrimary, Reached: true},
		{Name: "db-2", Addr: dbconn.Addr{Host: "10.0.0.2", Port: 3306}, Identity: "2", Role: topology.RoleReplica, Reached: true},
	}}
	for _, row := range []struct {
		external string
		of       int
		want     string // empty: nothing against it
	}{
		{cmdb, 0, `db-1 is "primary" for the external source of truth`},
		{cmdb, 1, ""},
		{orchestrator, 0, "db-1 is the primary for the external source of truth"},
		{orchestrator, 1, ""},
		{strings.ReplaceAll(orchestrator, "{cluster}", "db2"), 1, "db-2 is the primary for the external source of truth"},
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(path, []byte(`
slack: {bot_token: xoxb-1, app_token: xapp-1}
clusters:
- {name: db, channel: C1234, hosts: [{name: db-1}], approvers: {users: [U1234]}, external: `+row.external+`}
`), 0o600))
		cfg, err := configs.Load(path, nil)
		require.NoError(t, err)
		g := guardsOf(cfg, guard.NewCache(time.Minute, time.Now), nil)["db"]
		require.True(t, g.Has("external"))
		for _, f := range g.Ask(t.Context(), guard.Subject{Instance: topo.Instances[row.of], Topology: topo}).Findings {
			if f.Validator != "external" {
				continue
			}
			require.Equal(t, row.want != "", f.Refused, f.Sentence)
			require.False(t, f.Unknown, f.Evidence)
			if row.want != "" {
				require.Equal(t, row.want, f.Sentence)
			}
		}
	}
}
