package mysqltest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDemoShape(t *testing.T) {
	ctx := testContext(t)
	begin := time.Now()
	c := MustStart(t, Options{Shape: "demo", GeneralLog: true, Flavor: Flavor(os.Getenv("FL"))})
	t.Logf("up after %s", time.Since(begin))
	begin = time.Now()
	require.NoError(t, c.CreateRecycler(ctx, "recycler", "secret"))
	require.NoError(t, Fill(ctx, c.Nodes[0], TableSpec{Schema: "shop", Name: "orders", Rows: 120000, RowBytes: 200, DeletePercent: 60}))
	t.Logf("filled after %s", time.Since(begin))
	require.NoError(t, c.WaitReplicated(ctx))
	t.Logf("replicated after %s", time.Since(begin))
	require.NoError(t, c.WaitPurged(ctx))
	t.Logf("purged after %s", time.Since(begin))
	var n int
	require.NoError(t, c.Nodes[3].DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM shop.orders").Scan(&n))
	t.Log(n)
	require.NoError(t, c.Promote(ctx, c.Nodes[2]))
	require.NoError(t, c.Demote(ctx, c.Nodes[0], c.Nodes[2]))
	require.NoError(t, c.Demote(ctx, c.Nodes[1], c.Nodes[2]))
	require.NoError(t, c.Nodes[2].Exec(ctx, "delete from shop.orders limit 100"))
	require.NoError(t, c.WaitReplicated(ctx))
	require.NoError(t, c.Nodes[0].DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM shop.orders").Scan(&n))
	t.Log(n)
	l, err := c.Nodes[0].GeneralLog()
	require.NoError(t, err)
	t.Log(len(l))
}
