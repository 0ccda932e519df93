package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world starts a sandbox with its client for one test. Its context outlives the
// test's own, which ends before clean-ups run: an app must stop before its server.
func world(t *testing.T, change func(*Config)) (context.Context, *Server, *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	c := Config{Seed: 1}
	if change != nil {
		change(&c)
	}
	s, err := Start(ctx, c)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		cancel()
	})
	return ctx, s, &Client{BaseURL: s.URL()}
}
