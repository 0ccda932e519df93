package bot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/chart"
	"mysql-recycler/engine"
)

func TestPicturesCanDrawTheirWords(t *testing.T) {
	t.Parallel()
	for _, l := range []Locale{English, Chinese} {
		for k := range keysIn(t) {
			if text := l.template(keysIn(t)[k]); strings.HasPrefix(k, "kChart") {
				require.True(t, chart.Draws(text), "%s %s: a character of %q is not in bot/chart/han.otf", l, k, text)
			}
		}
	}
}

func TestAChartOfBeforeAndAfterEndsTheThread(t *testing.T) {
	t.Parallel()
	w := big(t, 20, func(i int) string { return fmt.Sprintf("t%02d", i+1) })
	for i := range 20 {
		w.rebuilds("R-7QK1", i+1, int64(80-3*i)*mib, time.Second)
	}
	w.moves("R-7QK1", engine.JobSucceeded, engine.EventJobCompleted, "", nil)
	w.tells()
	last := w.posts[len(w.posts)-1]
	require.Regexp(t, `^R-7QK1/e\d+/chart$`, last.Key)
	p := w.message(last.Key).Picture
	require.NotNil(t, p)
	require.Equal(t, "db-prod-3: tables before and after", p.Title)
	require.Contains(t, p.Alt, "1.8 GiB → 1.0 GiB, 770 MiB given back. crm.t20: 90.0 MiB → 23.0 MiB; crm.t19:")
	require.True(t, strings.HasSuffix(p.Alt, "8 other tables: 720 MiB → 556 MiB"), p.Alt)
}

func TestOneTableNeedsNoChart(t *testing.T) {
	t.Parallel()
	w := big(t, 2, func(i int) string { return fmt.Sprintf("t%02d", i+1) })
	w.rebuilds("R-7QK1", 1, 30*mib, time.Second)
	w.moves("R-7QK1", engine.JobCancelled, engine.EventJobCancelled, "cancelled by a person", nil)
	w.tells()
	for _, p := range w.posts {
		require.Nil(t, w.message(p.Key).Picture, p.Key)
	}
}

func TestChangesOfSize(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"−2.0 GiB", "+512 MiB", "0 B"}, []string{change(2 * gib), change(-512 * mib), change(0)})
}
