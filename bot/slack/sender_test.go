package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
)

func TestPostThreadAndEditInOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	begun := time.Now()
	s.put(bot.Post{Key: "R-1/card", Channel: dbOps, Body: say("card")},
		bot.Post{Key: "R-1/e1", Channel: dbOps, Parent: "R-1/card", Body: say("first")},
		bot.Post{Key: "R-1/e2", Channel: dbOps, Parent: "R-1/card", Body: say("second")},
		bot.Post{Key: "R-1/e3", Channel: dbOps, Parent: "R-1/card", Body: say("third")})
	parent := s.shows(dbOps, "card")
	require.Less(t, time.Since(begun), 2*time.Second)
	s.shows(dbOps, "third")
	thread, err := s.sb.Thread(s.ctx, dbOps, parent.TS)
	require.NoError(t, err)
	var order []string
	for _, m := range thread {
		order = append(order, strings.TrimSpace(m.Plain()))
	}
	require.Equal(t, []string{"card", "first", "second", "third"}, order)
	s.put(bot.Post{Key: "R-1/card", Channel: dbOps, Body: say("card, decided")})
	s.shows(dbOps, "card, decided")
	require.Equal(t, parent.TS, s.out.row("R-1/card").ts)
	require.Len(t, s.messages(dbOps), 4)
	call := s.calls(mPost)[0]
	require.Equal(t, "false", call.Args["unfurl_links"])
	require.Equal(t, "false", call.Args["unfurl_media"])
	require.Contains(t, fmt.Sprint(call.Args["metadata"]), "R-1/card")
	s.clean()
}

// A reply that must not wait for somebody to open the thread is shown in the channel too.
func TestBroadcastReply(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	var m bot.Message
	require.NoError(t, json.Unmarshal(say("alert"), &m))
	m.Broadcast = true
	loud, err := json.Marshal(m)
	require.NoError(t, err)
	s.put(bot.Post{Key: "card", Channel: dbOps, Body: say("card")}, bot.Post{Key: "e1", Channel: dbOps, Parent: "card", Body: loud},
		bot.Post{Key: "e2", Channel: dbOps, Parent: "card", Body: say("quiet")})
	parent := s.shows(dbOps, "card")
	alert, quiet := s.shows(dbOps, "alert"), s.shows(dbOps, "quiet")
	require.Equal(t, parent.TS, alert.ThreadTS)
	require.Equal(t, "thread_broadcast", alert.Subtype)
	require.Empty(t, quiet.Subtype)
	s.clean()
}

// A wake brings a post out at once, without waiting for the next poll.
func TestWakeSendsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Tuning.Poll = time.Hour })
	begun := time.Now()
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("now")})
	s.shows(dbOps, "now")
	require.Less(t, time.Since(begun), 3*time.Second)
}

// A thousand progress ticks become a few edits, and the final state is what stays.
func TestNewestRevisionWins(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("tick 0"), Routine: true})
	s.shows(dbOps, "tick 0")
	for i := range 1000 {
		s.put(bot.Post{Key: "k", Channel: dbOps, Body: say(fmt.Sprint("tick ", i+1)), Routine: true})
	}
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("done")})
	m := s.shows(dbOps, "done")
	edits, err := s.sb.Edits(s.ctx, m.TS)
	require.NoError(t, err)
	require.Contains(t, edits[len(edits)-1].Plain(), "done")
	require.Less(t, len(edits), 200)
}

func TestUnchangedRevisionIsNotSent(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("same")})
	s.shows(dbOps, "same")
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("same")})
	s.until("stored", func() bool { return s.out.row("k").sentRev == 2 })
	require.Empty(t, s.calls(mUpdate))
}

func TestRateLimitIsHonouredByTheWholeMethod(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "a", Channel: dbOps, Body: say("a0")}, bot.Post{Key: "b", Channel: "C0DBAUDIT", Body: say("b0")})
	s.shows(dbOps, "a0")
	s.shows("C0DBAUDIT", "b0")
	s.do("fault", map[string]any{"method": mUpdate, "times": 1, "http": 429, "retry_after": 2})
	s.put(bot.Post{Key: "a", Channel: dbOps, Body: say("a1")})
	s.until("limited", func() bool { return s.c.Stats().Out.RateLimited == 1 })
	limited := time.Now()
	s.put(bot.Post{Key: "b", Channel: "C0DBAUDIT", Body: say("b1")})
	s.put(bot.Post{Key: "a", Channel: dbOps, Body: say("a2")}) // only the newest is kept
	s.shows(dbOps, "a2")
	s.shows("C0DBAUDIT", "b1")
	require.Greater(t, time.Since(limited), 1500*time.Millisecond)
	calls := s.calls(mUpdate)
	require.Len(t, calls, 3)
	require.Greater(t, calls[1].At.Sub(calls[0].At), 1900*time.Millisecond)
	require.Equal(t, 0, s.out.row("a").attempts)
}

// An edit is repeated until it arrives; it cannot be there twice.
func TestEditSurvives5xxAndLostAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("zero")})
	s.shows(dbOps, "zero")
	s.do("fault", map[string]any{"method": mUpdate, "times": 2, "http": 503})
	s.do("fault", map[string]any{"method": mUpdate, "times": 1, "drop_response": true})
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("one")})
	s.until("stored", func() bool { return s.out.row("k").sentRev == 2 })
	s.shows(dbOps, "one")
	require.Len(t, s.messages(dbOps), 1)
	require.Len(t, s.calls(mUpdate), 4)
}

// A post whose outcome is unknown is not repeated at once. Without the right to read history it
// is repeated after a pause: there may be two, never none.
func TestUnknownPostIsNotRepeatedBlindly(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Tuning.Unsure = 700 * time.Millisecond })
	s.do("fault", map[string]any{"method": mPost, "times": 1, "drop_response": true})
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("card")})
	s.until("stored", func() bool { return s.out.row("k").sent == 1 })
	calls := s.calls(mPost)
	require.Len(t, calls, 2)
	require.Greater(t, calls[1].At.Sub(calls[0].At), 600*time.Millisecond)
	require.Equal(t, int64(1), s.c.Stats().Out.Unknown)
	require.Len(t, s.messages(dbOps), 2)
}

// With the right to read history the message that arrived is found and adopted.
func TestUnknownPostIsFoundAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("scopes", map[string]any{"scopes": append([]string{"channels:history"}, Scopes...)})
	s.put(bot.Post{Key: "card", Channel: dbOps, Body: say("card")})
	s.shows(dbOps, "card")
	s.do("fault", map[string]any{"method": mPost, "times": 2, "drop_response": true})
	s.put(bot.Post{Key: "top", Channel: dbOps, Body: say("top")}, bot.Post{Key: "reply", Channel: dbOps, Parent: "card", Body: say("reply")})
	s.until("both stored", func() bool { return s.out.row("top").sent == 1 && s.out.row("reply").sent == 1 })
	require.Len(t, s.messages(dbOps), 3)
	require.Equal(t, int64(2), s.c.Stats().Out.Adopted)
	require.Equal(t, s.shows(dbOps, "top").TS, s.out.row("top").ts)
}

// The process dies between the post and storing its ts: the next one finds it.
func TestRestartBetweenPostAndItsTimestamp(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Tuning.Grace = 50 * time.Millisecond })
	s.do("scopes", map[string]any{"scopes": append([]string{"channels:history"}, Scopes...)})
	s.out.mu.Lock()
	s.out.fail = 1_000_000
	s.out.mu.Unlock()
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("card")})
	s.shows(dbOps, "card")
	s.stop()
	s.out.mu.Lock()
	s.out.fail = 0
	s.out.mu.Unlock()
	require.Empty(t, s.out.row("k").ts)
	s.start()
	s.until("stored", func() bool { return s.out.row("k").sent == 1 })
	require.Len(t, s.messages(dbOps), 1)
}

// A message whose ts cannot be stored for a while is not sent twice.
func TestUnstoredTimestampIsKept(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.out.mu.Lock()
	s.out.fail = 3
	s.out.mu.Unlock()
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("card")})
	s.until("stored", func() bool { return s.out.row("k").sent == 1 })
	require.Len(t, s.messages(dbOps), 1)
}

func TestDeletedParentIsPostedOnceMore(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("one")})
	s.shows(dbOps, "one")
	s.do("fault", map[string]any{"method": mUpdate, "times": 1, "error": "message_not_found"})
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("two")})
	s.shows(dbOps, "two")
	require.Len(t, s.messages(dbOps), 2)
	s.do("fault", map[string]any{"method": mUpdate, "times": 1, "error": "message_not_found"})
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("three")})
	s.until("given up", func() bool { return s.out.row("k").dead != "" })
	require.Len(t, s.messages(dbOps), 2)
}

// The bot is not in the channel: said once, and sent as soon as somebody invites it.
func TestInviteBringsThePost(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	s := newStage(t, func(o *Options) {
		o.Undelivered = func(_ context.Context, p bot.Post, why *Problem) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, p.Key+" "+why.Code+" "+why.Hint())
		}
	})
	s.do("kick", map[string]any{"channel": dbOps})
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("hello")})
	s.until("tried twice", func() bool { return s.out.row("k").attempts >= 2 })
	s.do("invite", map[string]any{"channel": dbOps, "user": "alice"})
	s.shows(dbOps, "hello")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{"k not_in_channel " + invite}, told)
}

func TestArchivedChannelMovesTheStoryToTheFallback(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Fallback = "C0DBAUDIT" })
	s.put(bot.Post{Key: "card", Channel: dbOps, Body: say("running")})
	s.shows(dbOps, "running")
	s.do("archive", map[string]any{"channel": dbOps})
	s.put(bot.Post{Key: "card", Channel: dbOps, Body: say("finished")},
		bot.Post{Key: "sum", Channel: dbOps, Parent: "card", Body: say("summary")})
	m := s.shows("C0DBAUDIT", "finished")
	s.shows("C0DBAUDIT", "summary")
	require.Contains(t, m.Plain(), "Posted here because")
	require.Equal(t, "C0DBAUDIT", s.out.row("card").channel)
	thread, err := s.sb.Thread(s.ctx, "C0DBAUDIT", m.TS)
	require.NoError(t, err)
	require.Len(t, thread, 2)
}

func TestRefusedShapeIsSentAsOneSentence(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("fault", map[string]any{"method": mPost, "times": 1, "error": "invalid_blocks"})
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("the sentence")})
	s.shows(dbOps, "the sentence")
}

func TestBodyThatIsNoMessageIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: []byte("{")})
	s.until("given up", func() bool { return s.out.row("k").dead != "" })
	require.Empty(t, s.calls(mPost))
}

func TestRevokedTokenKeepsThePost(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("fault", map[string]any{"method": mPost, "times": 1, "error": "token_revoked"})
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("later")})
	s.until("put off", func() bool { return s.out.row("k").attempts == 1 })
	require.Equal(t, "token_revoked", s.c.Stats().FatalOut)
	r := s.out.row("k")
	require.Empty(t, r.dead)
	require.Greater(t, time.Until(r.until), 30*time.Second)
}

// Nothing that a person typed or a server said can ping, link, format or break a message.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	nasty := []string{"<!channel>", "<!here|x>", "<@U0BOB>", "@channel", "`a`*b*_c_~d~", "```x```", "&lt;!channel&gt;",
		"<https://evil.example|db-prod-1>", "\u202Egnp.exe", "a\u200Bb\u0000c\u2066d", ":fire:", "> quote", strings.Repeat("x", 10_000),
		"<!date^0^{date}|x>", "<!subteam^S0DBA>", "表\u0301名", "\xff\xfe", "a|b", "http://evil.example/"}
	for i, n := range nasty {
		sp := []bot.Span{{Text: n}, {Text: n, Bold: true}, {Text: n, Code: true}, {User: n}, {Channel: n}, {Emoji: n}, {Link: n, Text: n},
			{Text: n, Time: time.Unix(1700000000, 0)}}
		m := bot.Message{Summary: n, Blocks: []bot.Block{{Header: n}, {Text: sp}, {Context: sp}, {Context: sp[:1]},
			{Fields: []bot.Field{{Label: n, Value: sp}, {Label: n, Value: sp[:2]}}}, {Code: n},
			{Table: &bot.Table{Header: []string{n, n}, Rows: [][]string{{n, n}, {n}}}},
			{Table: &bot.Table{Header: []string{n}, Rows: [][]string{{n}}}},
			{Actions: []bot.Button{{Action: "x", Value: "v", Label: n, Confirm: &bot.Confirm{Title: n, Text: n, Yes: n, No: n}}}}}}
		raw, err := json.Marshal(m)
		require.NoError(t, err)
		s.put(bot.Post{Key: fmt.Sprint("n", i), Channel: dbOps, Body: raw})
	}
	for i := range nasty {
		s.until(fmt.Sprintf("%q is sent", cut(nasty[i], 30)), func() bool { return s.out.row(fmt.Sprint("n", i)).sent == 1 })
	}
	require.Zero(t, s.logs.FilterMessageSnippet("shape").Len())
	require.Zero(t, s.logs.FilterMessageSnippet("limits").Len())
	s.clean()
	for _, m := range s.messages(dbOps) {
		raw, err := json.Marshal(m.Blocks)
		require.NoError(t, err)
		for _, bad := range []string{"\u202e", "\u200b", "\u2066", "broadcast", "usergroup"} {
			require.NotContains(t, string(raw), bad)
		}
	}
}

// A post to a person is a direct message; its edits go to the same one.
func TestPostToAPersonIsEditedInTheDirectMessage(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "k", Channel: alice, Body: say("for you")})
	m := s.shows("", "for you")
	require.True(t, strings.HasPrefix(m.Channel, "D"))
	s.put(bot.Post{Key: "k", Channel: alice, Body: say("for you, done")})
	require.Equal(t, m.TS, s.shows("", "for you, done").TS)
	require.Equal(t, m.Channel, s.out.row("k").channel)
}
