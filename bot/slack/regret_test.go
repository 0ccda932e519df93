package slack

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
)

// What nobody could handle for a day is not handled late: its person is told, and only then is it
// ended. A page that was opened then has nobody waiting for it.
func TestAnOldEnvelopeIsToldToItsPerson(t *testing.T) {
	t.Parallel()
	s := coldStage(t, func(o *Options) { o.Tuning.Sweep = 20 * time.Millisecond })
	for key, payload := range map[string]string{
		kindSlash:       `{"text":"run db-prod-3","user_id":"U0ALICE","team_id":"T0RECYCLE","channel_id":"C0DBOPS"}`,
		kindInteractive: `{"type":"block_actions","user":{"id":"U0BOB","team_id":"T0RECYCLE"},"channel":{"id":"C0RANDOM"},"actions":[{"action_id":"approve","value":"v"}]}`,
		kindEvent:       `{"event":{"type":"app_home_opened","user":"U0ALICE"}}`,
	} {
		s.in.rows[key] = bot.Envelope{Key: key, Kind: key, Payload: []byte(payload), At: time.Now().Add(-25 * time.Hour)}
		s.in.order = append(s.in.order, key)
	}
	var tries atomic.Int32
	s.h.onGaveUp = func(ctx context.Context, c bot.Command) error {
		if c.Text != "" && tries.Add(1) == 1 {
			return errors.New("no way out")
		}
		return s.c.Whisper(ctx, c.Reply, bot.Message{Summary: strings.TrimSpace("too late: " + c.Text)})
	}
	s.start()
	s.whispered(alice, "too late: run db-prod-3")
	s.shows("", "too late:") // bob is not in the channel: a direct message
	s.until("all ended", func() bool { _, n := s.in.counts(); return n == 3 })
	commands, clicks, _ := s.h.got()
	require.Empty(t, commands)
	require.Empty(t, clicks)
	require.EqualValues(t, 2, tries.Load())
}
