package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// rawSocket opens Socket Mode by hand and reads the hello.
func rawSocket(t *testing.T, ctx context.Context, s *Server) (*websocket.Conn, obj) {
	t.Helper()
	link := wire{t, s.URL(), s.cfg.Workspace.AppToken}.fine("apps.connections.open")["url"].(string)
	conn, resp, err := websocket.Dial(ctx, link, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, frame(t, ctx, conn)
}

func frame(t *testing.T, ctx context.Context, conn *websocket.Conn) obj {
	t.Helper()
	_, raw, err := conn.Read(ctx)
	require.NoError(t, err)
	out := obj{}
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

func TestTicketsAreForOneUse(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	app := wire{t, s.URL(), s.cfg.Workspace.AppToken}
	dial := func(link string) int {
		conn, resp, err := websocket.Dial(ctx, link, nil)
		if err == nil {
			_ = conn.CloseNow()
		}
		return resp.StatusCode
	}
	link := app.fine("apps.connections.open")["url"].(string)
	require.Equal(t, http.StatusSwitchingProtocols, dial(link))
	require.Equal(t, http.StatusForbidden, dial(link))
	old := app.fine("apps.connections.open")["url"].(string)
	require.NoError(t, c.Do(ctx, "clock/advance", obj{"seconds": 31}, nil))
	require.Equal(t, http.StatusForbidden, dial(old))
	require.NoError(t, c.Do(ctx, "disconnect", obj{"reason": "link_disabled"}, nil))
	app.refused("link_disabled", "apps.connections.open")
}

func TestTenSocketsAndNoMore(t *testing.T) {
	t.Parallel()
	ctx, s, _ := world(t, nil)
	for n := range 10 {
		_, hello := rawSocket(t, ctx, s)
		require.Equal(t, "hello", hello["type"])
		require.InDelta(t, n+1, hello["num_connections"], 0)
	}
	_, last := rawSocket(t, ctx, s)
	require.Equal(t, "disconnect", last["type"])
	require.Equal(t, "too_many_websockets", last["reason"])
}

// slashAnd runs a slash command and answers its envelope by hand.
func slashAnd(t *testing.T, ctx context.Context, c *Client, conn *websocket.Conn, answer func(id string)) Outcome {
	t.Helper()
	done := make(chan Outcome, 1)
	go func() {
		out, err := c.Slash(ctx, "alice", "#db-ops", "x")
		if err != nil {
			out.Problem = err.Error()
		}
		done <- out
	}()
	env := frame(t, ctx, conn)
	require.Equal(t, "slash_commands", env["type"])
	require.Equal(t, true, env["accepts_response_payload"])
	answer(env["envelope_id"].(string))
	return <-done
}

func TestAcksThatDoNotCount(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	require.NoError(t, c.Do(ctx, "sockets", obj{"ack_ms": 400}, nil))
	conn, _ := rawSocket(t, ctx, s)
	ack := func(id, payload string) []byte {
		return []byte(`{"envelope_id":"` + id + `","payload":` + payload + `}`)
	}

	out := slashAnd(t, ctx, c, conn, func(id string) {
		require.NoError(t, conn.Write(ctx, websocket.MessageText, ack(id, `{"text":"fine"}`)))
	})
	require.True(t, out.OK)
	require.Equal(t, "fine", out.UserVisible)

	out = slashAnd(t, ctx, c, conn, func(id string) {
		big := `{"text":"` + strings.Repeat("x", maxAck) + `"}`
		require.NoError(t, conn.Write(ctx, websocket.MessageText, ack(id, big)))
	})
	require.Equal(t, "operation_timeout", out.Problem, "20 KB and more are dropped silently")

	out = slashAnd(t, ctx, c, conn, func(id string) {
		whole := ack(id, `{"text":"in pieces"}`)
		w, err := conn.Writer(ctx, websocket.MessageText)
		require.NoError(t, err)
		for _, part := range [][]byte{whole[:10], whole[10:]} { // each Write is a frame of its own
			_, err = w.Write(part)
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
	})
	require.Equal(t, "operation_timeout", out.Problem, "fragments are not put together")

	var led struct {
		Stray []obj `json:"stray_acks"`
	}
	require.NoError(t, c.Read(ctx, "deliveries", &led))
	require.Len(t, led.Stray, 2)
	require.Equal(t, "too large", led.Stray[0]["why"])
	require.Equal(t, "fragmented", led.Stray[1]["why"])
}

func TestForeignAndLateAcks(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	require.NoError(t, c.Do(ctx, "sockets", obj{"ack_ms": 400, "strategy": "oldest"}, nil))
	first, _ := rawSocket(t, ctx, s)
	second, _ := rawSocket(t, ctx, s)
	other := func(id string) {
		require.NoError(t, second.Write(ctx, websocket.MessageText, []byte(`{"envelope_id":"`+id+`"}`)))
	}
	require.True(t, slashAnd(t, ctx, c, first, other).OK, "by default an ack counts on any socket")
	require.NoError(t, c.Do(ctx, "sockets", obj{"refuse_foreign": true}, nil))
	require.False(t, slashAnd(t, ctx, c, first, other).OK)
	late := slashAnd(t, ctx, c, first, func(id string) {
		require.NoError(t, c.Do(ctx, "clock/advance", obj{"seconds": 1}, nil))
		require.NoError(t, first.Write(ctx, websocket.MessageText, []byte(`{"envelope_id":"`+id+`"}`)))
	})
	require.Equal(t, "operation_timeout", late.Problem)
}

func TestServerPings(t *testing.T) {
	t.Parallel()
	ctx, s, c := world(t, nil)
	require.NoError(t, c.Do(ctx, "sockets", obj{"ping_ms": 20}, nil))
	link := wire{t, s.URL(), s.cfg.Workspace.AppToken}.fine("apps.connections.open")["url"].(string)
	pings := make(chan struct{}, 100)
	conn, _, err := websocket.Dial(ctx, link, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
		pings <- struct{}{}
		return true
	}})
	require.NoError(t, err)
	defer func() { _ = conn.CloseNow() }()
	frame(t, ctx, conn)
	rctx := conn.CloseRead(ctx) // control frames are answered while something reads
	for range 3 {
		select {
		case <-pings:
		case <-time.After(5 * time.Second):
			t.Fatal("no ping")
		}
	}
	require.NoError(t, conn.Ping(rctx), "client pings are answered")
}
