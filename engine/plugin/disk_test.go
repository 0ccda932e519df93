package plugin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/throttle"
)

// One answer serves both places; what it leaves out is not known, and what is none is an error that
// people can read.
func TestDisks(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]throttle.Free{
		`"result":"ok","data":5000,"tmp":70`: {Data: 5000, Temp: 70},
		`"result":"ok","data":5000`:          {Data: 5000},
		`"result":"ok"`:                      {},
		`"result":"no","data":5000`:          {},
		`"result":"ok","data":-1`:            {},
		`"data":5000`:                        {},
	} {
		asked := 0
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			_, _ = w.Write([]byte(`{"contract":1,"action":"free_disk",` + answer + `}`))
		}))
		defer service.Close()
		d := plugin.New(plugin.Spec{Name: "space", Kind: plugin.Disk, URL: service.URL, Timeout: time.Minute}, zap.NewNop()).
			AsDisks("shop", &plugin.Host{Name: "db-1"})
		require.Equal(t, want, d.Ask(t.Context()), answer)
		_, err := d.Data.Free(t.Context())
		if bad := answer == `"result":"ok","data":-1` || answer == `"data":5000`; bad {
			require.ErrorContains(t, err, "The plugin space gave no usable answer to free_disk")
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, 1, asked, "an answer is good for a while")
	}
}

// Whoever asks and goes leaves no answer behind for others; places on one file system say so.
func TestDisksShared(t *testing.T) {
	t.Parallel()
	d := plugin.New(plugin.Spec{Name: "space", Kind: plugin.Disk, Timeout: time.Minute, Command: []string{"/bin/sh", "-c",
		`echo '{"contract":1,"action":"free_disk","result":"ok","data":7,"tmp":7,"shared":true}'`}}, zap.NewNop()).AsDisks("shop", nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Data.Free(gone)
	require.ErrorIs(t, err, context.Canceled)
	data, err := d.Data.Free(t.Context())
	require.NoError(t, err)
	temp, err := d.Temp.Free(t.Context())
	require.NoError(t, err)
	require.Equal(t, throttle.Space{Bytes: 7, Known: true, On: "plugin space"}, data)
	require.Equal(t, data, temp)
}
