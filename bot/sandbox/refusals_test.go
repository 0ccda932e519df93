package sandbox

import (
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire speaks to the Web API by hand, as forms, with the given token.
type wire struct {
	t     *testing.T
	base  string
	token string
}

func (w wire) call(method string, kv ...string) obj {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.base+"/api/"+method, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	return w.read(req)
}

func (w wire) read(req *http.Request) obj {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	out := obj{"http": resp.StatusCode}
	if json.Unmarshal(raw, &out) != nil {
		out["body"] = string(raw)
	}
	return out
}

func (w wire) refused(code, method string, kv ...string) obj {
	w.t.Helper()
	out := w.call(method, kv...)
	require.Equal(w.t, code, out["error"], "%s %v", method, kv)
	return out
}

func (w wire) fine(method string, kv ...string) obj {
	w.t.Helper()
	out := w.call(method, kv...)
	require.Equal(w.t, true, out["ok"], "%s %v: %v", method, kv, out)
	return out
}

func newWire(t *testing.T, s *Server) wire {
	return wire{t, s.URL(), s.cfg.Workspace.BotToken}
}

func TestTokensAndScopes(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	w := newWire(t, s)
	wire{t, s.URL(), ""}.refused("not_authed", "auth.test")
	wire{t, s.URL(), "xoxb-other"}.refused("invalid_auth", "auth.test")
	w.refused("not_allowed_token_type", "apps.connections.open")
	wire{t, s.URL(), s.cfg.Workspace.AppToken}.refused("not_allowed_token_type", "chat.postMessage")
	w.refused("unknown_method", "chat.shout")
	require.Equal(t, s.cfg.Workspace.BotUserID, w.fine("auth.test")["user_id"])
	wire{t, s.URL(), ""}.fine("auth.test", "token", s.cfg.Workspace.BotToken)
	require.NoError(t, c.Do(ctx, "scopes", obj{"scopes": []string{"commands", "chat:write"}}, nil))
	require.Equal(t, "users:read", w.refused("missing_scope", "users.info", "user", "U0BOB")["needed"])
	calls, err := c.Calls(ctx, "")
	require.NoError(t, err)
	raw, err := json.Marshal(calls)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "xoxb-", "the ledger must not hold tokens")
}

func TestMessageRefusals(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	w := newWire(t, s)
	w.refused("channel_not_found", "chat.postMessage", "channel", "C9", "text", "x")
	w.refused("not_in_channel", "chat.postMessage", "channel", "C0RANDOM", "text", "x")
	w.refused("no_text", "chat.postMessage", "channel", "C0DBOPS")
	w.refused("msg_too_long", "chat.postMessage", "channel", "C0DBOPS", "text", long(40_001))
	w.refused("invalid_blocks_format", "chat.postMessage", "channel", "C0DBOPS", "blocks", "{")
	w.refused("thread_not_found", "chat.postMessage", "channel", "C0DBOPS", "text", "x", "thread_ts", "1.2")
	bad := w.refused("invalid_blocks", "chat.postMessage", "channel", "C0DBOPS", "text", "x", "blocks", `[{"type":"header"}]`)
	require.Equal(t, []any{"[ERROR] missing required field [json-pointer:/blocks/0/text]"}, bad["response_metadata"].(obj)["messages"])
	raw, err := json.Marshal(times(5, func(int) any { return section(long(2700)) }))
	require.NoError(t, err)
	w.refused("msg_blocks_too_long", "chat.postMessage", "channel", "C0DBOPS", "text", "x", "blocks", string(raw))

	first := w.fine("chat.postMessage", "channel", "#db-ops", "text", "one")
	require.Equal(t, "C0DBOPS", first["channel"], "a name is answered with the id")
	ts := first["ts"].(string)
	second := w.fine("chat.postMessage", "channel", "C0DBOPS", "text", "two")
	require.Greater(t, second["ts"].(string), ts)
	require.Regexp(t, `^\d{10}\.\d{6}$`, ts)
	w.refused("message_not_found", "chat.update", "channel", "C0DBOPS", "ts", "1.2", "text", "x")
	w.refused("msg_too_long", "chat.update", "channel", "C0DBOPS", "ts", ts, "text", long(4001))
	mine, err := c.Say(ctx, "alice", "#db-ops", "", "hi")
	require.NoError(t, err)
	w.refused("cant_update_message", "chat.update", "channel", "C0DBOPS", "ts", mine, "text", "x")
	eph := w.fine("chat.postEphemeral", "channel", "C0DBOPS", "user", "U0BOB", "text", "psst")
	w.refused("cant_update_message", "chat.update", "channel", "C0DBOPS", "ts", eph["message_ts"].(string), "text", "x")
	w.refused("user_not_in_channel", "chat.postEphemeral", "channel", "C0DBAUDIT", "user", "U0DAVE", "text", "x")
	require.Contains(t, w.fine("chat.getPermalink", "channel", "C0DBOPS", "message_ts", ts)["permalink"], "/archives/C0DBOPS/p")
	w.refused("message_not_found", "chat.getPermalink", "channel", "C0DBOPS", "message_ts", "1.2")
	w.fine("reactions.add", "channel", "C0DBOPS", "timestamp", ts, "name", "eyes")
	w.refused("already_reacted", "reactions.add", "channel", "C0DBOPS", "timestamp", ts, "name", "eyes")
	w.refused("no_reaction", "reactions.remove", "channel", "C0DBOPS", "timestamp", ts, "name", "x")
	w.refused("invalid_name", "reactions.add", "channel", "C0DBOPS", "timestamp", ts, "name", "no_such_emoji")
	require.NoError(t, c.Do(ctx, "archive", obj{"channel": "#db-ops"}, nil))
	w.refused("is_archived", "chat.postMessage", "channel", "C0DBOPS", "text", "x")
	require.NoError(t, c.Do(ctx, "kick", obj{"channel": "#db-audit"}, nil))
	w.refused("not_in_channel", "chat.postMessage", "channel", "C0DBAUDIT", "text", "x")
	dm := w.fine("chat.postMessage", "channel", "U0BOB", "text", "psst")
	require.True(t, strings.HasPrefix(dm["channel"].(string), "D"))
}

func TestPeopleAndGroups(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	w := newWire(t, s)
	dave := w.fine("users.info", "user", "U0DAVE")["user"].(obj)
	require.Equal(t, true, dave["is_restricted"])
	w.refused("user_not_found", "users.info", "user", "alice")
	require.Equal(t, []any{"U0BOB", "U0CAROL"}, w.fine("usergroups.users.list", "usergroup", "S0DBA")["users"])
	w.refused("no_such_subteam", "usergroups.users.list", "usergroup", "S9")
	require.NoError(t, c.Do(ctx, "sockets", obj{"redeliver": "off"}, nil))
	require.NoError(t, c.Do(ctx, "group", obj{"id": "dba", "users": []string{"carol", "dave"}}, nil))
	require.Equal(t, []any{"U0CAROL", "U0DAVE"}, w.fine("usergroups.users.list", "usergroup", "S0DBA")["users"])
	d, err := c.Deliveries(ctx, "subteam_members_changed")
	require.NoError(t, err)
	require.Len(t, d, 1)
	page := w.fine("conversations.members", "channel", "C0DBOPS", "limit", "2")
	next := page["response_metadata"].(obj)["next_cursor"].(string)
	require.Len(t, page["members"], 2)
	require.NotEmpty(t, next)
	require.Equal(t, []any{"U0CAROL", "U0DAVE"}, w.fine("conversations.members", "channel", "C0DBOPS", "limit", "2", "cursor", next)["members"])
	require.Equal(t, false, w.fine("conversations.info", "channel", "C0RANDOM")["channel"].(obj)["is_member"])
	w.refused("user_not_found", "conversations.open", "users", "U9")
	require.NoError(t, c.Do(ctx, "user", obj{"user": "dave", "deleted": true}, nil))
	w.refused("user_disabled", "conversations.open", "users", "U0DAVE")
	require.NoError(t, c.Do(ctx, "reset", obj{}, nil))
	require.Equal(t, false, w.fine("users.info", "user", "U0DAVE")["user"].(obj)["deleted"])
}

// slashed makes a trigger_id and a response_url by a slash command nobody listens to.
func slashed(t *testing.T, ctx context.Context, c *Client) obj {
	t.Helper()
	_, err := c.Slash(ctx, "alice", "#db-ops", "x")
	require.NoError(t, err)
	all, err := c.Deliveries(ctx, "slash_commands")
	require.NoError(t, err)
	return all[len(all)-1].Payload
}

const plainModal = `{"type":"modal","title":{"type":"plain_text","text":"T"},"blocks":[{"type":"divider"}]}`

func TestTriggersAndViews(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	w := newWire(t, s)
	w.refused("invalid_trigger_id", "views.open", "trigger_id", "1.2", "view", plainModal)
	p := slashed(t, ctx, c)
	id := p["trigger_id"].(string)
	v := w.fine("views.open", "trigger_id", id, "view", plainModal)["view"].(obj)
	w.refused("exchanged_trigger_id", "views.push", "trigger_id", id, "view", plainModal)
	late := slashed(t, ctx, c)["trigger_id"].(string)
	require.NoError(t, c.Do(ctx, "clock/advance", obj{"seconds": 3.1}, nil))
	w.refused("expired_trigger_id", "views.open", "trigger_id", late, "view", plainModal)
	w.refused("hash_conflict", "views.update", "view_id", v["id"].(string), "hash", "1.x", "view", plainModal)
	w.fine("views.update", "view_id", v["id"].(string), "hash", v["hash"].(string), "view", plainModal)
	w.refused("hash_conflict", "views.update", "view_id", v["id"].(string), "hash", v["hash"].(string), "view", plainModal)
	w.refused("not_found", "views.update", "view_id", "V9", "view", plainModal)
	w.refused("invalid_arguments", "views.update", "view_id", v["id"].(string), "view", `{"type":"modal","blocks":[]}`)
	for range 2 {
		w.fine("views.push", "trigger_id", slashed(t, ctx, c)["trigger_id"].(string), "view", plainModal)
	}
	w.refused("push_limit_reached", "views.push", "trigger_id", slashed(t, ctx, c)["trigger_id"].(string), "view", plainModal)
	home := w.fine("views.publish", "user_id", "U0BOB", "view", `{"type":"home","blocks":[{"type":"divider"}]}`)["view"].(obj)
	w.refused("hash_conflict", "views.publish", "user_id", "U0BOB", "hash", "0.0", "view", `{"type":"home","blocks":[]}`)
	got, err := c.Home(ctx, "bob")
	require.NoError(t, err)
	require.Equal(t, home["id"], got.ID)
	w.refused("invalid_blocks", "blocks.validate", "blocks", `[{"type":"nope"}]`)
	w.fine("blocks.validate", "blocks", `[{"type":"divider"}]`)
}

func TestResponseURL(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	w := newWire(t, s)
	use := func(link, body string) obj {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, link, strings.NewReader(body))
		require.NoError(t, err)
		return w.read(req)
	}
	link := slashed(t, ctx, c)["response_url"].(string)
	require.Equal(t, "ok", use(link, `{"text":"private"}`)["body"])
	require.Equal(t, "ok", use(link, `{"text":"public","response_type":"in_channel"}`)["body"])
	for range 3 {
		use(link, `{"text":"more"}`)
	}
	require.Equal(t, "used_url", use(link, `{"text":"sixth"}`)["error"])
	all, err := c.Messages(ctx, "#db-ops")
	require.NoError(t, err)
	find := func(text string) Message {
		i := slices.IndexFunc(all, func(m Message) bool { return m.Text == text })
		require.GreaterOrEqual(t, i, 0, text)
		return all[i]
	}
	require.Equal(t, "U0ALICE", find("private").For)
	require.Empty(t, find("public").For)
	old := slashed(t, ctx, c)["response_url"].(string)
	require.NoError(t, c.Do(ctx, "clock/advance", obj{"seconds": 1801}, nil))
	require.Equal(t, "expired_url", use(old, `{"text":"late"}`)["error"])
}

func TestFilesAndLint(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	w := newWire(t, s)
	up := w.fine("files.getUploadURLExternal", "filename", "plan.txt", "length", "5", "alt_txt", "the plan")
	files := `[{"id":"` + up["file_id"].(string) + `","title":"Plan"}]`
	w.refused("file_not_found", "files.completeUploadExternal", "files", files, "channel_id", "C0DBOPS")
	send := func(body string) obj {
		var buf strings.Builder
		mw := multipart.NewWriter(&buf)
		part, err := mw.CreateFormFile("file", "plan.txt")
		require.NoError(t, err)
		_, err = io.WriteString(part, body)
		require.NoError(t, err)
		require.NoError(t, mw.Close())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, up["upload_url"].(string), strings.NewReader(buf.String()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", mw.FormDataContentType())
		return w.read(req)
	}
	require.Equal(t, http.StatusBadRequest, send("too long")["http"])
	require.NoError(t, c.Do(ctx, "fault", obj{"method": "upload", "http": 503}, nil))
	require.Equal(t, http.StatusServiceUnavailable, send("12345")["http"])
	require.Equal(t, "OK - 5", send("12345")["body"])
	w.fine("files.completeUploadExternal", "files", files, "channel_id", "C0DBOPS", "initial_comment", "host <!channel>")
	m, err := c.WaitMessage(ctx, func(m Message) bool { return m.Subtype == "file_share" })
	require.NoError(t, err)
	require.Equal(t, "Plan", m.Files[0].Title)
	require.Equal(t, "the plan", m.Files[0].AltText)
	lints, err := c.Lints(ctx)
	require.NoError(t, err)
	require.Len(t, lints, 1)
	require.Contains(t, lints[0].Problem, "broadcast")
	w.fine("chat.postMessage", "channel", "C0DBOPS", "blocks", `[{"type":"section","text":{"type":"mrkdwn","text":"<@U9>"}}]`, "link_names", "1")
	lints, err = c.Lints(ctx)
	require.NoError(t, err)
	require.Len(t, lints, 4, "unknown mention, link_names, no text: %v", lints)
}
