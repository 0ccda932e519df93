package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/bot/sandbox"
	"mysql-recycler/storage"
)

// door is the whole program in this process with its API open: real storage, real approvals, the
// sandbox as its chat. Its one host answers nobody, so approved work stays where it is.
type door struct {
	app    *app
	chat   *sandbox.Client
	url    string
	tokens map[string]string // by name
}

func openDoor(t *testing.T, apiConfig string) *door {
	t.Helper()
	ws := sandbox.DefaultWorkspace()
	chat, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Config{Workspace: ws})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, chat.Close()) })
	dir := t.TempDir()
	path := filepath.Join(dir, "recycler.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
slack: {bot_token: %s, app_token: %s, api_url: "%s/api/", fallback_channel: C0DBAUDIT}
storage: {url: "sqlite://%s/state.db"}
api: {listen: "127.0.0.1:0", %s}
clusters:
  - name: db
    channel: C0DBOPS
    approvers: {groups: [S0DBA], users: [U0ALICE, U0DAVE]}
    hosts: [{name: db-1, addr: "127.0.0.1:1"}]
  - {name: other, channel: C0DBAUDIT, approvers: {users: [U0CAROL]}, hosts: [{name: db-9, addr: "127.0.0.1:2"}]}
`, ws.BotToken, ws.AppToken, chat.URL(), dir, apiConfig), 0o600))
	src := source{path: path}
	first, err := src.load()
	require.NoError(t, err)
	core, logs := observer.New(zap.InfoLevel)
	a, err := newApp(t.Context(), src, first, zap.New(core), zap.NewAtomicLevel())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var g errgroup.Group
	g.Go(func() error { return a.run(ctx) })
	t.Cleanup(func() {
		stop()
		require.NoError(t, g.Wait())
		require.NoError(t, a.close())
	})
	d := &door{app: a, chat: &sandbox.Client{BaseURL: chat.URL()}, tokens: map[string]string{}}
	require.Eventually(t, func() bool {
		for _, e := range logs.FilterMessage("the API listens").All() {
			d.url = "http://" + e.ContextMap()["addr"].(string)
		}
		return d.url != "" && d.call(t, "", "GET", "/api/v1/health/ready", "").status == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "the API is not ready")
	for name, user := range map[string]string{"alice": "U0ALICE", "alice2": "U0ALICE", "bob": "U0BOB", "carol": "U0CAROL", "dave": "U0DAVE",
		"bot": "U0RECYCLE", "stranger": "U0NOBODY"} {
		d.token(t, storage.Token{Name: name, User: user, Scopes: []string{"read", "request", "operate", "review"}})
	}
	d.token(t, storage.Token{Name: "reader", Scopes: []string{"read"}})
	d.token(t, storage.Token{Name: "asker", User: "U0BOB", Scopes: []string{"read", "request"}})
	t.Cleanup(func() { // nothing of this may reach a log
		for _, e := range logs.All() {
			for name, secret := range d.tokens {
				require.NotContains(t, fmt.Sprint(e.Message, e.ContextMap()), secret, name)
			}
		}
	})
	return d
}

func (d *door) token(t *testing.T, k storage.Token) string {
	t.Helper()
	made, secret, err := storage.NewTokens(d.app.db).Create(t.Context(), k)
	require.NoError(t, err)
	d.tokens[k.Name] = secret
	return made.ID
}

type reply struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// call makes one call as the holder of a token; headers are "Name: value".
func (d *door) call(t *testing.T, who, method, path, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, d.url+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+d.tokens[who])
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	r := reply{status: res.StatusCode, header: res.Header, text: string(b)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		require.NoError(t, json.Unmarshal(b, &r.body), r.text)
	}
	return r
}

// refused requires a problem with its sentence.
func (r reply) refused(t *testing.T, status int, code string) {
	t.Helper()
	require.Equal(t, status, r.status, r.text)
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	require.Equal(t, code, r.body["code"], r.text)
	require.NotEmpty(t, r.body["detail"])
	require.EqualValues(t, status, r.body["status"])
}

// ask makes a request as somebody and returns its id and digest.
func (d *door) ask(t *testing.T, who, command string, headers ...string) (id, digest string) {
	t.Helper()
	r := d.call(t, who, "POST", "/api/v1/requests", fmt.Sprintf(`{"command": %q}`, command), headers...)
	require.Equal(t, http.StatusCreated, r.status, r.text)
	require.Equal(t, "/api/v1/requests/"+r.body["id"].(string), r.header.Get("Location"))
	return r.body["id"].(string), r.body["digest"].(string)
}

func decision(digest string) string {
	return fmt.Sprintf(`{"decision": "approve", "digest": %q}`, digest)
}
