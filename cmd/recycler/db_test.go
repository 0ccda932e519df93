package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/storage"
)

// TestDB runs the commands as a person does, on each kind of database.
func TestDB(t *testing.T) {
	t.Parallel()
	config := func(url string) string {
		path := filepath.Join(t.TempDir(), "recycler.yaml")
		require.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf(`
node: {roles: [worker]}
storage: {url: "%s"}
clusters: [{name: db, channel: C0DBOPS, approvers: {users: [U0BOB]}, mysql: {password: p}, hosts: [{name: db-1}]}]
`, url)), 0o600))
		return path
	}
	command := func(config string, args ...string) (int, string) {
		var out bytes.Buffer
		code := run(append(append([]string{"db"}, args...), "--config", config), &out, &out)
		require.NotContains(t, out.String(), "hunter2")
		return code, out.String()
	}
	urls := databases(t)
	for kind, url := range urls {
		path := config(url)
		code, out := command(path, "status")
		require.Equal(t, 1, code, out)
		code, out = command(path, "migrate")
		require.Zero(t, code, out)
		require.Contains(t, out, "migrated from schema 0 to ")
		code, out = command(path, "migrate")
		require.Zero(t, code, out)
		require.Contains(t, out, "is current")
		code, out = command(path, "status")
		require.Zero(t, code, out)
		require.Contains(t, out, "database  "+kind)
		require.Contains(t, out, "none is active")
	}

	db, err := storage.Open(t.Context(), urls["sqlite"], zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, storage.NewRequests(db, nil, nil).CreateRequest(t.Context(), approvals.Request{
		ID: "R-AAAA", Kind: approvals.KindDiscover, Cluster: "db", Target: "db-1", Command: "discover db-1",
		Requester: approvals.Actor{Team: "T1", ID: "U0ALICE", Name: "alice"}, Channel: "C0DBOPS", Digest: "d",
		MinApprovals: 1, State: approvals.Pending, Created: time.Now(), Expires: time.Now().Add(time.Hour),
	}))
	leases := storage.NewBotLeases(db)
	l, err := leases.Take(t.Context(), "bot:1", "o", "host/7", time.Minute)
	require.NoError(t, err)
	file := config(urls["sqlite"])
	code, out := command(file, "copy", "--to", urls["postgres"])
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "host/7 is active")
	code, out = command(file, "status")
	require.Zero(t, code, out)
	require.Contains(t, out, "active on host/7, epoch 1")
	require.NoError(t, leases.Release(t.Context(), l))
	require.NoError(t, db.Close())

	code, out = command(file, "copy", "--to", "postgres://u:hunter2@127.0.0.1:1/x")
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "--to-file")
	code, out = command(file, "copy")
	require.Equal(t, 2, code, out)
	code, out = command(file, "copy", "--to", urls["sqlite"])
	require.Equal(t, 1, code, out)
	code, out = command(file, "copy", "--to", urls["postgres"])
	require.Zero(t, code, out)
	require.Contains(t, out, "the audit chain is whole: 1 link(s)")
	code, out = command(file, "copy", "--to", urls["postgres"])
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "not empty")
	fresh := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(fresh, []byte("sqlite://"+filepath.Join(t.TempDir(), "back.db")+"\n"), 0o600))
	code, out = command(config(urls["postgres"]), "copy", "--to-file", fresh)
	require.Zero(t, code, out)
	require.Contains(t, out, "the audit chain is whole: 1 link(s)")
}
