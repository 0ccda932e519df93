package bot

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/throttle"
)

// A card says what is free, and where nobody can tell; without a reserve the latter is no news.
func TestPlanDisks(t *testing.T) {
	t.Parallel()
	p := engine.Plan{Limits: throttle.Limits{DiskFree: 1}, Hosts: []engine.HostPlan{
		{Name: "db-1", Free: throttle.Free{Data: 3 << 30, Temp: 1 << 30}}, {Name: "db-2", Free: throttle.Free{Data: 2 << 30}}, {Name: "db-3"}}}
	say := func(l Locale) string {
		b := &builder{l: l}
		planDisks(b, p)
		var out strings.Builder
		for _, block := range b.m.Blocks {
			for _, s := range block.Context {
				out.WriteString(s.Text)
			}
			out.WriteString("\n")
		}
		return out.String()
	}
	require.Contains(t, say(English), "Free disk: db-1 3.0 GiB, 1.0 GiB for temporary files, db-2 2.0 GiB.")
	require.Contains(t, say(English), "Free disk unknown: db-3.")
	require.Contains(t, say(Chinese), "磁盘剩余空间未知：db-3。")
	p.Limits.DiskFree = 0
	require.Contains(t, say(English), "Free disk: db-1")
	require.NotContains(t, say(English), "unknown")
}
