package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
)

// A socket whose peer is gone without a word is noticed and replaced.
func TestHalfOpenSocketIsReplaced(t *testing.T) {
	t.Parallel()
	s := coldStage(t, func(o *Options) { o.Tuning.Ping = 400 * time.Millisecond })
	s.do("sockets", map[string]any{"ping_ms": 50, "interactive": true, "ack_ms": 1000, "retry_ms": []int{100, 200, 300}})
	s.start()
	s.do("disconnect", map[string]any{"reason": "half_open", "which": "newest"})
	s.until("replaced", func() bool {
		st := s.c.Stats()
		return st.Sockets[0].Hellos+st.Sockets[1].Hellos >= 3 && st.Sockets[0].Connected && st.Sockets[1].Connected
	})
	out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "list")
	require.NoError(t, err)
	require.True(t, out.OK)
}

// A token that is revoked while the bot runs does not end it: jobs are still running.
func TestTokenRevokedWhileRunning(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("fault", map[string]any{"method": "apps.connections.open", "times": 2, "error": "token_revoked"})
	s.do("disconnect", map[string]any{"reason": "refresh_requested"})
	s.until("said", func() bool { return s.c.Stats().Fatal == "token_revoked" })
	s.until("back", func() bool {
		st := s.c.Stats()
		return st.Fatal == "" && st.Sockets[0].Connected && st.Sockets[1].Connected
	})
}

// Fatal codes that slack-go would retry for ever end the start as well.
func TestMissingScopeAtStart(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"missing_scope", "not_allowed_token_type", "token_expired"} {
		s := coldStage(t, nil)
		s.do("fault", map[string]any{"method": "apps.connections.open", "times": -1, "error": c})
		cl, err := New(s.options())
		require.NoError(t, err)
		var p *Problem
		require.ErrorAs(t, cl.Run(s.ctx), &p)
		require.Equal(t, c, p.Code)
	}
}

// An event that slack-go does not know is read and acknowledged here all the same.
func TestUnknownEventIsAcknowledged(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.do("event", map[string]any{"type": "never_heard_of_it"})
	s.until("acknowledged", func() bool {
		d, err := s.sb.Deliveries(s.ctx, kindEvent)
		require.NoError(t, err)
		return len(d) == 1 && d[0].Acked
	})
}

// A member of another organisation in a shared channel is no stranger to Slack, but is to us.
func TestPersonOfAnotherOrganisation(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/auth.test" {
			fmt.Fprint(w, `{"ok":true,"team_id":"T1","enterprise_id":"E1","user_id":"UBOT"}`)
			return
		}
		users := map[string]string{
			"UHOME":  `{"id":"UHOME","team_id":"T2","enterprise_user":{"enterprise_id":"E1"}}`,
			"UOTHER": `{"id":"UOTHER","team_id":"T9","is_stranger":false}`,
		}
		fmt.Fprintf(w, `{"ok":true,"user":%s}`, users[r.FormValue("user")])
	}))
	defer srv.Close()
	c, err := New(Options{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: srv.URL + "/api", Inbox: newInbox(), Outbox: newOutbox()})
	require.NoError(t, err)
	defer c.http.CloseIdleConnections()
	p, err := c.Person(t.Context(), "E1", "UHOME")
	require.NoError(t, err)
	require.False(t, p.Foreign)
	p, err = c.Person(t.Context(), "E1", "UOTHER")
	require.NoError(t, err)
	require.True(t, p.Foreign)
}

// The same person has the same identity in a command and in a click.
func TestIdentityIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	var p slashPayload
	require.NoError(t, json.Unmarshal([]byte(`{"team_id":"T1","enterprise_id":"E1","user_id":"U1"}`), &p))
	var in interaction
	require.NoError(t, json.Unmarshal([]byte(`{"team":{"id":"T2"},"enterprise":{"id":"E1"},"user":{"id":"U1","team_id":"T7"}}`), &in))
	require.Equal(t, p.actor(), in.actor())
	require.NoError(t, json.Unmarshal([]byte(`{"team":null,"enterprise":null,"user":{"id":"U1","team_id":"T1"}}`), &in))
	require.Equal(t, "T1", in.actor().Team)
}

func FuzzPayload(f *testing.F) {
	f.Add(kindInteractive, []byte(`{"type":"block_actions","actions":[{"action_id":"a~2"}],"user":{"id":"U1"}}`))
	f.Add(kindInteractive, []byte(`{"type":"view_submission","view":{"state":{"values":{"a":{"b":{"value":null}}}}}}`))
	f.Add(kindSlash, []byte(`{"text":"x"}`))
	f.Add(kindEvent, []byte(`{"event":{"type":"app_home_opened","user":{}}}`))
	c, err := New(Options{BotToken: "xoxb-1", AppToken: "xapp-1", Inbox: newInbox(), Outbox: newOutbox(), Handler: &handler{}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		in := incoming{kind: kind, id: "e", payload: payload}
		k, err := key(in.kind, in.payload, in.id)
		if err != nil {
			return
		}
		require.NotEmpty(t, k)
		if sorted := c.sort(in); !sorted.keep || kind == kindEvent {
			return
		}
		require.NoError(t, ignoreBadRef(c.dispatch(t.Context(), bot.Envelope{Key: k, Kind: kind, Payload: payload})))
	})
}

// ignoreBadRef lets pass what a forged private metadata gives.
func ignoreBadRef(err error) error {
	if err != nil && len(err.Error()) > 0 && err.Error()[:4] == "read" {
		return nil
	}
	return err
}

// p99 sorts durations and returns the one that 99 of 100 are below.
func p99(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)*99/100]
}

// BenchmarkSlashToAck types fifty commands a second.
func BenchmarkSlashToAck(b *testing.B) {
	s := newStage(b, nil)
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		out, err := s.sb.Slash(s.ctx, "alice", "#db-ops", "list")
		if err != nil || !out.OK {
			b.Fatal(out, err)
		}
		took = append(took, time.Since(begun))
		time.Sleep(max(0, 20*time.Millisecond-time.Since(begun)))
	}
	b.ReportMetric(float64(p99(took).Microseconds())/1000, "p99-ms")
}

// BenchmarkClickToCard measures a click to the card's new state in the channel.
func BenchmarkClickToCard(b *testing.B) {
	s := newStage(b, func(o *Options) { o.Tuning.Rate = 1000 })
	m := s.clickable(bot.Button{Action: "approve", Value: "v", Label: "Approve"})
	var n atomic.Int64
	s.h.onClick = func(context.Context, bot.Click) error {
		s.put(bot.Post{Key: "card", Channel: dbOps, Body: say(fmt.Sprint("approved ", n.Load()), bot.Button{Action: "approve", Value: "v", Label: "Approve"})})
		return nil
	}
	var took []time.Duration
	for b.Loop() {
		n.Add(1)
		want := s.c.Stats().Out.Edited + 1
		begun := time.Now()
		s.click("bob", m, "approve")
		for s.c.Stats().Out.Edited < want {
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(begun))
	}
	b.ReportMetric(float64(p99(took).Microseconds())/1000, "p99-ms")
}
