package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/bot/api"
	"mysql-recycler/storage"
)

// Nobody gets past the second person through the API.
func TestAPISecondPerson(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "rate: 1000")
	id, digest := d.ask(t, "alice", "discover db-1")
	reviews := "/api/v1/requests/" + id + "/reviews"
	for who, want := range map[string]struct {
		status int
		code   string
	}{
		"alice": {403, "own_request"}, "alice2": {403, "own_request"}, // alice is an approver, and has two tokens
		"dave": {403, "not_member"}, "bot": {403, "not_member"}, "stranger": {403, "unknown_person"},
		"reader": {403, "scope_missing"}, "asker": {403, "scope_missing"}, "": {401, "token_missing"}, "nobody": {401, "token_missing"},
	} {
		d.call(t, who, "POST", reviews, decision(digest)).refused(t, want.status, want.code)
	}
	for _, forged := range []string{"", digest[:7], "00000000", digest + "0"} {
		require.GreaterOrEqual(t, d.call(t, "bob", "POST", reviews, decision(forged)).status, 400, forged)
	}
	d.call(t, "bob", "POST", reviews, decision(strings.Repeat("0", 64))).refused(t, 409, "plan_changed")
	// A body cannot say who one is.
	d.call(t, "alice", "POST", reviews, `{"decision": "approve", "digest": "`+digest+`", "reviewer": {"id": "U0BOB"}}`).refused(t, 422, "invalid")
	d.call(t, "bob", "POST", "/api/v1/requests", `{"command": "discover db-1", "requester": "U0CAROL"}`).refused(t, 422, "invalid")
	// A denial needs a reason, as in the chat.
	d.call(t, "bob", "POST", reviews, `{"decision": "deny", "digest": "`+digest+`"}`).refused(t, 422, "reason_missing")
	require.Equal(t, "pending", d.call(t, "reader", "GET", "/api/v1/requests/"+id, "").body["state"])
	require.Empty(t, d.call(t, "reader", "GET", "/api/v1/jobs", "").body["items"])

	r := d.call(t, "bob", "POST", reviews, decision(digest[:12]))
	require.Equal(t, http.StatusOK, r.status, r.text)
	require.Equal(t, "approved", r.body["state"])
	d.call(t, "carol", "POST", reviews, decision(digest)).refused(t, 409, "already_decided")
	require.Equal(t, []any{id}, d.call(t, "reader", "GET", "/api/v1/requests/"+id, "").body["jobs"])
	doors := map[storage.AuditAction]approvals.Door{}
	require.NoError(t, storage.NewAudit(d.app.db).Export(t.Context(), func(l storage.AuditLink) error {
		var a storage.AuditRecord
		err := json.Unmarshal(l.Body, &a)
		doors[a.Action] = a.Door
		return err
	}))
	require.Equal(t, approvals.Door{Name: "api", Token: "bob"}, doors[storage.AuditApprove], "the record names the token")

	// An approver of another cluster is none of this one.
	other, digest := d.ask(t, "alice", "discover db-9")
	d.call(t, "bob", "POST", "/api/v1/requests/"+other+"/reviews", decision(digest)).refused(t, 403, "not_approver")
	d.call(t, "bob", "POST", "/api/v1/requests/"+other+"/withdraw", "").refused(t, 403, "not_requester")
	require.Equal(t, "withdrawn", d.call(t, "alice2", "POST", "/api/v1/requests/"+other+"/withdraw", "").body["state"])
	d.call(t, "carol", "POST", "/api/v1/requests/"+other+"/reviews", decision(digest)).refused(t, 409, "already_decided")
}

// A row that says a token of nobody may review does not let it.
func TestAPITokenOfNobody(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "rate: 1000")
	id, digest := d.ask(t, "alice", "discover db-1")
	_, _, err := storage.NewTokens(d.app.db).Create(t.Context(), storage.Token{Name: "loose", Scopes: []string{"read", "review"}})
	require.Error(t, err)
	// Past the CHECK, as somebody with the file would.
	require.NoError(t, d.app.db.InTx(t.Context(), func(ctx context.Context, tx storage.Tx) error {
		if _, err := tx.Exec(ctx, "PRAGMA ignore_check_constraints = ON"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO api_tokens (id, name, hash, scopes, team, user_id, created, created_by) VALUES ('K-X', 'loose', $1, 'read,review,request,operate', '', '', 1, '')",
			storage.HashToken("rcy_loose"))
		return err
	}))
	d.tokens["loose"] = "rcy_loose"
	require.Equal(t, http.StatusOK, d.call(t, "loose", "GET", "/api/v1/requests/"+id, "").status)
	d.call(t, "loose", "POST", "/api/v1/requests/"+id+"/reviews", decision(digest)).refused(t, 403, "no_person")
	d.call(t, "loose", "POST", "/api/v1/requests", `{"command": "discover db-1"}`).refused(t, 403, "no_person")
	d.call(t, "loose", "POST", "/api/v1/jobs/"+id+"/cancel", "").refused(t, 403, "no_person")
}

func TestAPITokens(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "rate: 1000")
	const path = "/api/v1/requests"
	for _, h := range []string{"Bearer", "Bearer ", "Basic " + d.tokens["bob"], d.tokens["bob"], "Bearer " + strings.Repeat("x", 300),
		"Bearer " + storage.HashToken(d.tokens["bob"]), "Bearer " + d.tokens["bob"] + "x", "Bearer ' OR 1=1 --"} {
		r := d.call(t, "", "GET", path, "", "Authorization: "+h)
		require.Equal(t, 401, r.status, h)
		require.NotEmpty(t, r.header.Get("WWW-Authenticate"))
	}
	require.Equal(t, 200, d.call(t, "", "GET", path, "", "Authorization: bearer "+d.tokens["reader"]).status)
	_, err := storage.NewTokens(d.app.db).Revoke(t.Context(), "reader", "test")
	require.NoError(t, err)
	d.call(t, "reader", "GET", path, "").refused(t, 401, "token_unknown")
	d.token(t, storage.Token{Name: "old", Scopes: []string{"read"}, Expires: time.Now().Add(-time.Second)})
	d.call(t, "old", "GET", path, "").refused(t, 401, "token_unknown")
	// The scopes of a token are all it may do.
	d.token(t, storage.Token{Name: "blind", User: "U0BOB", Scopes: []string{"request"}})
	d.call(t, "blind", "GET", path, "").refused(t, 403, "scope_missing")
	d.call(t, "asker", "POST", "/api/v1/jobs/R-AAAA/cancel", "").refused(t, 403, "scope_missing")
	d.call(t, "reader2", "GET", "/metrics", "").refused(t, 401, "token_missing")
	for _, open := range []string{"/api/v1/health/live", "/api/v1/health/ready"} {
		r := d.call(t, "", "GET", open, "")
		require.Equal(t, map[string]any{"status": "ok"}, r.body, "no more than that without a token")
	}
	d.call(t, "", "GET", "/api/v1/health", "").refused(t, 401, "token_missing")
	require.Len(t, d.call(t, "bob", "GET", "/api/v1/health", "").body["checks"], 3)
}

// One key, one request: repeated, repeated at once, by another token, after a crash.
func TestAPIIdempotency(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "rate: 1000")
	const key, path, body = "Idempotency-Key: k-1", "/api/v1/requests", `{"command": "discover db-1"}`
	id, _ := d.ask(t, "alice", "discover db-1", key)
	r := d.call(t, "alice", "POST", path, body, key)
	require.Equal(t, id, r.body["id"], r.text)
	require.Equal(t, "true", r.header.Get("Idempotent-Replayed"))
	d.call(t, "alice", "POST", path, `{"command": "discover db-9"}`, key).refused(t, 422, "key_reused")
	other, _ := d.ask(t, "bob", "discover db-1", key)
	require.NotEqual(t, id, other, "bob's key is not alice's")
	again, _ := d.ask(t, "alice2", "discover db-1", key)
	require.NotEqual(t, id, again, "a key belongs to a token")
	// A repetition is no way round what was decided meanwhile.
	require.Equal(t, "withdrawn", d.call(t, "alice", "POST", path+"/"+id+"/withdraw", "").body["state"])
	require.Equal(t, "withdrawn", d.call(t, "alice", "POST", path, body, key).body["state"])
	// A refused call made nothing, so its key is free.
	d.call(t, "carol", "POST", path, `{"command": "discover db-0"}`, key).refused(t, 422, "unknown_host")
	d.ask(t, "carol", "discover db-1", key)

	var mu sync.Mutex
	ids := map[string]bool{}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			r := d.call(t, "carol", "POST", path, body, "Idempotency-Key: at once")
			mu.Lock()
			defer mu.Unlock()
			if r.status == http.StatusCreated {
				ids[r.body["id"].(string)] = true
			} else {
				require.Equal(t, "key_busy", r.body["code"], r.text)
			}
		})
	}
	wg.Wait()
	require.Len(t, ids, 1)

	// A process that ended between asking and remembering.
	lost, _ := d.ask(t, "bob", "discover   db-1", "Idempotency-Key: lost")
	exec := func(q string, args ...any) {
		require.NoError(t, d.app.db.InTx(t.Context(), func(ctx context.Context, tx storage.Tx) error {
			_, err := tx.Exec(ctx, q, args...)
			return err
		}))
	}
	exec("UPDATE api_keys SET request_id = '' WHERE key = 'lost'")
	d.call(t, "bob", "POST", path, `{"command": "discover   db-1"}`, "Idempotency-Key: lost").refused(t, 409, "key_busy")
	exec("UPDATE api_keys SET at = at - 120000 WHERE key = 'lost'")
	r = d.call(t, "bob", "POST", path, `{"command": "discover   db-1"}`, "Idempotency-Key: lost")
	require.Equal(t, lost, r.body["id"], r.text)
}

func TestAPIBadCalls(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "max_body: 2KiB, rate: 1000")
	const path = "/api/v1/requests"
	big := `{"command": "` + strings.Repeat("x", 4096) + `"}`
	d.call(t, "bob", "POST", path, big).refused(t, 413, "too_big")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+path, io.MultiReader(bytes.NewReader([]byte(big)))) // length unknown
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+d.tokens["bob"])
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 413, res.StatusCode)
	for body, code := range map[string]string{
		"": "bad_request", "{": "bad_request", "[]": "invalid", `{"command": ""}`: "invalid", `{"command": 7}`: "invalid",
		`{"command": "frobnicate db-1"}`: "misread", `{"command": "list"}`: "not_a_request", `{"command": "run db-1 --dry-run"}`: "not_a_request",
		`{"command": "run db-1 --after=R-AAAA"}`: "not_a_request", `{"command": "discover db-1", "channel": "C0RANDOM"}`: "wrong_channel",
		`{"command": "discover nowhere"}`: "unknown_host", `{"command": "run db-1"}`: "no_snapshot",
	} {
		r := d.call(t, "bob", "POST", path, body)
		require.Equal(t, code, r.body["code"], "%s: %s", body, r.text)
		require.NotContains(t, r.text, `"value"`)
	}
	r := d.call(t, "bob", "POST", path, `{"command": "run db-1"}`)
	require.Contains(t, r.body["hint"], "discover db-1", "the hint of the chat")
	for _, id := range []string{"R-ZZZZ", "../../etc/passwd", "%27%20OR%201=1", strings.Repeat("R", 39)} {
		d.call(t, "bob", "GET", path+"/"+strings.ReplaceAll(id, "/", "%2F"), "").refused(t, 404, "no_request")
	}
	d.call(t, "bob", "GET", "/api/v1/jobs/R-ZZZZ", "").refused(t, 404, "no_job")
	d.call(t, "bob", "POST", "/api/v1/jobs/R-ZZZZ/cancel", "").refused(t, 404, "no_job")
	d.call(t, "bob", "POST", "/api/v1/requests/R-ZZZZ/withdraw", "").refused(t, 404, "no_request")
	d.call(t, "bob", "GET", "/api/v1/discoveries/newest", "").refused(t, 404, "no_discovery")
	d.call(t, "bob", "GET", "/nothing", "").refused(t, 404, "no_route")
	for _, q := range []string{"limit=0", "limit=201", "limit=x", "cursor=!!", "cursor=eA", "state=odd"} {
		require.Equal(t, 422, d.call(t, "bob", "GET", path+"?"+q, "").status, q)
	}
	d.call(t, "bob", "DELETE", path, "").refused(t, 405, "method")
}

func TestAPIRate(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "rate: 5")
	fast := 0
	for range 40 {
		if r := d.call(t, "bob", "GET", "/api/v1/jobs", ""); r.status == http.StatusTooManyRequests {
			require.Equal(t, "1", r.header.Get("Retry-After"))
			fast++
		}
	}
	require.Positive(t, fast)
	require.Equal(t, 200, d.call(t, "carol", "GET", "/api/v1/jobs", "").status, "others are not held back")
}

func TestAPIPages(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "rate: 1000")
	want := map[string]bool{}
	for i := range 7 {
		id, _ := d.ask(t, []string{"alice", "bob"}[i%2], "discover db-1")
		want[id] = true
	}
	seen := map[string]bool{}
	for cursor, n := "", 0; ; n++ {
		r := d.call(t, "reader", "GET", "/api/v1/requests?limit=3&cursor="+cursor, "")
		require.Equal(t, 200, r.status, r.text)
		for _, v := range r.body["items"].([]any) {
			id := v.(map[string]any)["id"].(string)
			require.False(t, seen[id])
			seen[id] = true
		}
		next, more := r.body["next_cursor"].(string)
		if !more {
			require.Equal(t, 2, n)
			break
		}
		cursor = next
	}
	require.Equal(t, want, seen)
	require.Len(t, d.call(t, "reader", "GET", "/api/v1/requests?requester=U0BOB", "").body["items"], 3)

	r := d.call(t, "reader", "GET", "/api/v1/events?limit=5", "")
	require.Len(t, r.body["items"], 5)
	require.EqualValues(t, 5, r.body["next"])
}

// The WebSocket sends the whole log in order, goes on where one stopped, and ends with its token.
func TestAPIEventsLive(t *testing.T) {
	t.Parallel()
	d := openDoor(t, "rate: 1000")
	c, err := api.NewClient(api.ClientOptions{Server: d.url, Token: d.tokens["reader"]})
	require.NoError(t, err)
	feed, err := c.Events(t.Context(), 0, "")
	require.NoError(t, err)
	defer feed.Close()
	id, _ := d.ask(t, "alice", "discover db-1")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	at := int64(0)
	for {
		e, err := feed.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, at+1, e.Seq)
		if at = e.Seq; e.RequestID == id {
			require.Equal(t, "U0ALICE", e.Actor)
			break
		}
	}
	again, err := c.Events(t.Context(), at-1, "")
	require.NoError(t, err)
	defer again.Close()
	e, err := again.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, at, e.Seq)
	_, err = c.Events(t.Context(), at+1000, "")
	var refused *api.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "after_ahead", refused.Code)
	bad, err := api.NewClient(api.ClientOptions{Server: d.url, Token: "rcy_nothing"})
	require.NoError(t, err)
	_, err = bad.Events(t.Context(), 0, "")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 401, refused.Status)
}
