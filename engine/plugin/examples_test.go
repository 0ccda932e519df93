package plugin_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/rebuild"
)

// example is a plugin that is shipped.
func example(t *testing.T, name string) []string {
	t.Helper()
	path, err := filepath.Abs("../../configs/plugins/" + name)
	require.NoError(t, err)
	return []string{"/usr/bin/perl", path}
}

// orchestrator answers as orchestrator's API does; each test changes one thing.
func TestExampleOrchestrator(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"/api/clusters":               `["db-1:3306"]`,
		"/api/instance/10.0.0.3/3306": `{"Key":{"Hostname":"db-3","Port":3306},"ClusterName":"db-1:3306","IsLastCheckValid":true,"ReadOnly":true,"MasterKey":{"Hostname":"db-1","Port":3306}}`,
		"/api/maintenance":            `[{"Key":{"Hostname":"db-9","Port":3306},"Owner":"eve","Reason":"disk","IsActive":true}]`,
		"/api/replication-analysis":   `{"Code":"OK","Message":"Analysis","Details":[{"ClusterDetails":{"ClusterName":"other:3306"},"Analysis":"DeadMaster"},{"ClusterDetails":{"ClusterName":"db-1:3306"},"Analysis":"NoProblem"}]}`,
	}
	var answers atomic.Pointer[map[string]string]
	answers.Store(&good)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := (*answers.Load())[r.URL.Path]
		if user, pass, _ := r.BasicAuth(); !ok || user != "recycler" || pass != "s3cret" {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	defer s.Close()
	p := plugin.New(plugin.Spec{Name: "orchestrator", Kind: plugin.Validator, Command: example(t, "orchestrator"), Timeout: time.Minute,
		Env: map[string]string{"ORCHESTRATOR_URL": s.URL + "/", "ORCHESTRATOR_USER": "recycler", "ORCHESTRATOR_PASSWORD": "s3cret"}}, zaptest.NewLogger(t))
	in, topo := replica()
	judge := func() guard.Finding {
		return p.AsValidator().Judge(t.Context(), guard.Subject{Instance: in, Fresh: true, Topology: topo})
	}
	about, err := p.Hello(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1.0", about.Version)
	f := judge()
	require.False(t, f.Refused, f.Sentence+f.Evidence)
	require.Equal(t, "replica of db-1", f.Evidence)
	for _, row := range []struct{ path, old, new, want string }{
		{"/api/instance/10.0.0.3/3306", `"IsLastCheckValid":true`, `"IsLastCheckValid":false`, "did not reach it"},
		{"/api/instance/10.0.0.3/3306", `"ReadOnly":true`, `"ReadOnly":false`, "it is writable for orchestrator"},
		{"/api/instance/10.0.0.3/3306", `"MasterKey":{"Hostname":"db-1"`, `"MasterKey":{"Hostname":""`, "replicates from nobody"},
		{"/api/maintenance", "db-9", "db-3", "it is in maintenance by eve"},
		{"/api/replication-analysis", "NoProblem", "UnreachableMasterWithLaggingReplicas", "orchestrator sees UnreachableMaster"},
		{"/api/replication-analysis", "NoProblem", "DeadMaster", "orchestrator sees DeadMaster"},
		{"/api/maintenance", "[", "<html>[", "answers no JSON"},
	} {
		bad := map[string]string{}
		for k, v := range good {
			bad[k] = v
		}
		bad[row.path] = strings.Replace(bad[row.path], row.old, row.new, 1)
		answers.Store(&bad)
		f := judge()
		require.True(t, f.Refused, row.want)
		require.Contains(t, f.Sentence, row.want)
	}
	answers.Store(&map[string]string{})
	require.Contains(t, judge().Sentence, "orchestrator does not answer (404)")
	_, err = p.Hello(t.Context())
	require.ErrorContains(t, err, "orchestrator does not answer")
}

// proxySQL is a server with the tables of ProxySQL's admin interface.
func proxySQL(t *testing.T) (*mysqltest.Node, *plugin.Plugin) {
	t.Helper()
	n := mysqltest.MustStart(t, mysqltest.Options{Shape: "1"}).Nodes[0]
	for _, q := range []string{
		"CREATE DATABASE admin",
		"CREATE TABLE admin.mysql_servers (hostgroup_id INT, hostname VARCHAR(64), port INT, status VARCHAR(16) DEFAULT 'ONLINE', comment VARCHAR(255) DEFAULT '', PRIMARY KEY (hostgroup_id, hostname, port))",
		"CREATE TABLE admin.runtime_mysql_servers LIKE admin.mysql_servers",
		"CREATE TABLE admin.stats_mysql_connection_pool (srv_host VARCHAR(64), srv_port INT, ConnUsed INT)",
		"CREATE PROCEDURE admin.load_mysql_servers() BEGIN DELETE FROM admin.runtime_mysql_servers; INSERT INTO admin.runtime_mysql_servers SELECT * FROM admin.mysql_servers; END",
		"INSERT INTO admin.mysql_servers VALUES (10, '10.0.0.3', 3306, 'ONLINE', 'it''s \"old\"'), (20, '10.0.0.3', 3306, 'SHUNNED', ''), (10, 'db-2', 3306, 'ONLINE', ''), (10, 'db-4', 3306, 'OFFLINE_HARD', 'broken')",
		"CALL admin.load_mysql_servers()",
	} {
		require.NoError(t, n.Exec(t.Context(), q))
	}
	require.NoError(t, n.CreateUser(t.Context(), "admin", "adm1n", "ALL ON admin.*"))
	login := filepath.Join(t.TempDir(), "admin.cnf")
	require.NoError(t, os.WriteFile(login, []byte(fmt.Sprintf("[client]\nuser=admin\npassword=adm1n\nhost=%s\nport=%d\nprotocol=tcp\n", n.Host, n.Port)), 0o600))
	client, err := filepath.Abs("testdata/proxysql-admin")
	require.NoError(t, err)
	return n, plugin.New(plugin.Spec{Name: "proxysql", Kind: plugin.Hook, Command: example(t, "proxysql-drain"), Timeout: time.Minute,
		Env: map[string]string{"PROXYSQL_ADMIN": login, "PROXYSQL_CLIENT": client}}, zaptest.NewLogger(t))
}

// A server leaves ProxySQL and comes back, as often as it is asked, and what others did stays.
func TestExampleProxySQL(t *testing.T) {
	t.Parallel()
	n, p := proxySQL(t)
	rows := func() (out string) {
		require.NoError(t, n.DB().QueryRowContext(t.Context(),
			"SELECT GROUP_CONCAT(CONCAT_WS(' ', hostgroup_id, hostname, status, comment) ORDER BY hostgroup_id, hostname SEPARATOR '; ') FROM admin.runtime_mysql_servers").Scan(&out))
		return out
	}
	node := plugin.Node{Job: "R-1", Cluster: "prod", Host: &plugin.Host{Name: "db-3", Address: "10.0.0.3", Port: 3306}}
	about, err := p.Hello(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ProxySQL knows 4 servers", about.Note)
	whole := rows()
	require.NoError(t, p.After(t.Context(), node), "one that is not out may be put back")
	require.Equal(t, whole, rows())
	for range 2 {
		require.NoError(t, p.Before(t.Context(), node))
		require.Equal(t, strings.Replace(whole, `10 10.0.0.3 ONLINE it's "old"`, `10 10.0.0.3 OFFLINE_SOFT it's "old" [recycler]`, 1), rows())
	}
	for range 2 {
		require.NoError(t, p.After(t.Context(), node))
		require.Equal(t, whole, rows())
	}

	other := node
	other.Host = &plugin.Host{Name: "db-9", Address: "10.0.0.9", Port: 3306}
	require.ErrorContains(t, p.Before(t.Context(), other), "ProxySQL does not know 10.0.0.9:3306")
	require.NoError(t, n.Exec(t.Context(), "UPDATE admin.mysql_servers SET status = 'SHUNNED' WHERE hostname = 'db-2'"))
	require.ErrorContains(t, p.Before(t.Context(), node), "it is the last server that is ONLINE in hostgroup 10")
	require.NoError(t, n.Exec(t.Context(), "UPDATE admin.mysql_servers SET status = 'ONLINE' WHERE hostname = 'db-2'"))

	require.NoError(t, n.Exec(t.Context(), "INSERT INTO admin.stats_mysql_connection_pool VALUES ('10.0.0.3', 3306, 4)"))
	p.Timeout = 4 * time.Second
	require.Error(t, p.Before(t.Context(), node), "somebody still uses it")
	p.Timeout = time.Minute
	require.NoError(t, p.After(t.Context(), node))
	require.Equal(t, whole, rows())
}

// When pt-online-schema-change is not safe, its plugin says so, with the reason.
func TestExamplePTOSCSaysNo(t *testing.T) {
	t.Parallel()
	login := filepath.Join(t.TempDir(), "osc.cnf")
	require.NoError(t, os.WriteFile(login, nil, 0o600))
	p := plugin.New(plugin.Spec{Name: "pt-osc", Kind: plugin.Executor, Command: example(t, "pt-online-schema-change"), Env: map[string]string{"PT_DEFAULTS": login}, Account: "osc"}, zap.NewNop())
	about, err := p.Hello(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^1\.0\+\d`, about.Version)
	good := rebuild.Work{Addr: dbconn.Addr{Host: "10.0.0.3", Port: 3306}, Schema: "shop", Table: "carts", Mode: rebuild.BinlogOff, Stopped: true}
	require.NoError(t, p.CanRebuild(t.Context(), good))
	for want, change := range map[string]func(*rebuild.Work){
		"the applier runs: triggers do not fire for replicated rows": func(w *rebuild.Work) { w.Stopped = false },
		"the whole copy would be written to its binary log":          func(w *rebuild.Work) { w.Mode = rebuild.BinlogOn },
		"it has foreign keys":                       func(w *rebuild.Work) { w.Features = []string{"fulltext", "foreign_key"} },
		"it has no primary key":                     func(w *rebuild.Work) { w.Features = []string{"no_primary_key"} },
		"its name does not fit into a command line": func(w *rebuild.Work) { w.Table = "a,D=mysql" },
	} {
		w := good
		change(&w)
		require.ErrorContains(t, p.CanRebuild(t.Context(), w), want)
	}
}
