package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/storage"
)

// TestAudit exports a chain, checks it with nothing but the documented formula, edits one byte of
// the file, and sees it named.
func TestAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, file := filepath.Join(dir, "recycler.yaml"), filepath.Join(dir, "state.db")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf(`
slack: {bot_token: xoxb-1, app_token: xapp-1}
storage: {url: "sqlite://%s"}
clusters: [{name: db, channel: C0DBOPS, approvers: {users: [U0BOB]}, mysql: {password: p}, hosts: [{name: db-1}]}]
`, file)), 0o600))
	audit := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := run(append([]string{"audit"}, append(args, "--config", config)...), &out, &out)
		return code, out.String()
	}
	code, out := audit("verify")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "no database yet")

	db, err := storage.Open(t.Context(), "sqlite://"+file, zap.NewNop())
	require.NoError(t, err)
	requests := storage.NewRequests(db, nil, nil)
	for i := range 3 {
		require.NoError(t, requests.CreateRequest(t.Context(), approvals.Request{
			ID: fmt.Sprintf("R-AAA%d", i), Kind: approvals.KindDiscover, Cluster: "db", Target: "db-1", Command: "discover <db-1> & \u2028",
			Requester: approvals.Actor{Team: "T1", ID: "U0ALICE", Name: "alice"}, Channel: "C0DBOPS", Digest: "d",
			MinApprovals: 1, State: approvals.Pending, Created: time.Now(), Expires: time.Now().Add(time.Hour),
		}))
	}
	require.NoError(t, db.Close())

	code, out = audit("export")
	require.Zero(t, code, out)
	last := ""
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		var l struct {
			Record json.RawMessage
			Prev   string
			Hash   string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		sum := sha256.Sum256(append([]byte(last+"\n"), l.Record...))
		require.Equal(t, hex.EncodeToString(sum[:]), l.Hash)
		require.Equal(t, last, l.Prev)
		last = l.Hash
	}
	code, out = audit("verify", "--head", last)
	require.Zero(t, code, out)
	require.Equal(t, "the audit chain is whole: 3 link(s), last hash "+last+"\n", out)
	code, out = audit("verify", "--head", strings.Repeat("0", 64))
	require.Equal(t, 1, code)
	require.Contains(t, out, "cut short or written anew")

	b, err := os.ReadFile(file)
	require.NoError(t, err)
	at := bytes.Index(b, []byte(`"request":"R-AAA1"`))
	require.Positive(t, at)
	b[at+len(`"request":"R-AAA`)] = '7'
	require.NoError(t, os.WriteFile(file, b, 0o600))
	code, out = audit("verify")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "link 2: its text is not what was hashed", "one byte is named")
	require.NotContains(t, out, "link 1:")
	require.NotContains(t, out, "link 3:")
}
