package throttle

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// One answer of a command or of a service serves both places; what it leaves out is not known, and
// what nobody can read is an error.
func TestHook(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Free{
		`{"data": 5000, "tmp": 70}`: {Data: 5000, Temp: 70},
		`{"data": 5000}`:            {Data: 5000},
		`{}`:                        {},
		`{"data": -1}`:              {},
		`12 GB`:                     {},
	} {
		asked := 0
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			_, _ = w.Write([]byte(text))
		}))
		defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		defer service.Close()
		for _, h := range []*Hook{{Command: []string{"echo", text}, Timeout: time.Minute}, {URL: service.URL, Timeout: time.Minute}} {
			require.Equal(t, want, Disks{Data: h.Data(), Temp: h.Temp()}.Ask(t.Context()), text)
			_, known, err := h.Data().Free(t.Context())
			bad := text == "12 GB" || text == `{"data": -1}`
			require.Equal(t, bad, err != nil, "%s: %v", text, err)
			require.Equal(t, want.Data > 0, known)
		}
		require.Equal(t, 1, asked, "an answer is good for a while")
	}
}

// A command that hangs is given up, one that fails is an error, and ours are not its variables.
func TestHookCommand(t *testing.T) {
	t.Parallel()
	_, _, err := (&Hook{Command: []string{"sleep", "600"}, Timeout: 50 * time.Millisecond}).Data().Free(t.Context())
	require.Error(t, err)
	_, _, err = (&Hook{Command: []string{"/nowhere/free"}, Timeout: time.Minute}).Data().Free(t.Context())
	require.Error(t, err)
	_, _, err = (&Hook{URL: "http://127.0.0.1:1/secret", Timeout: time.Minute}).Data().Free(t.Context())
	require.ErrorContains(t, err, "no answer by HTTP")
	require.NotContains(t, err.Error(), "secret")

	out := filepath.Join(t.TempDir(), "env")
	h := &Hook{Command: []string{"sh", "-c", "env > " + out + "; echo '{}'"}, Timeout: time.Minute}
	_, known, err := h.Temp().Free(t.Context())
	require.NoError(t, err)
	require.False(t, known)
	env, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NotContains(t, string(env), "HOME=")

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = (&Hook{Command: []string{"echo", "{}"}, Timeout: time.Minute}).Data().Free(gone)
	require.ErrorIs(t, err, context.Canceled)
}
