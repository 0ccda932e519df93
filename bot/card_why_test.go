package bot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAPlanSaysWhy reads off a card what an approver must know of tables that need care.
func TestAPlanSaysWhy(t *testing.T) {
	t.Parallel()
	w := ready(t)
	w.settings.Limits.CriticalLag, w.settings.Policy.AllowCopy = time.Minute, true
	hard(&w.found[0])
	text := w.says(alice, "plan db-prod-3 --schema shop")
	for _, want := range []string{
		"Replication of `db-prod-3` stops for about 3 min in all, while shop.orders, shop.articles, shop.carts, shop.visits are rebuilt.",
		"lag 60 s stops a running table",
		"1.0 GiB (0.95–1.05)",
		"100 MiB (95.0–105, estimated)",
		"1.0 GiB (0.95–1.05, pages in use)",
		"shop.orders, shop.carts, shop.visits: with the applier stopped and purge finished, because MySQL 8.0.36 can lose rows in an online rebuild while replication writes (MySQL bug 115608).",
		"shop.articles: its FULLTEXT index makes the server copy the table",
		"Prediction of shop.carts: 12 of 300 partitions were read in the time allowed",
		"Left alone: shop.archive_01, shop.archive_02, shop.archive_03, shop.archive_04, and 12 more tables: it lives in a general tablespace",
	} {
		require.Contains(t, text, want)
	}
	w = ready(t)
	hard(&w.found[0])
	text = w.says(alice, "plan db-prod-3 --schema shop")
	require.Contains(t, text, "Left alone: shop.articles: its FULLTEXT index makes the server copy the table")
	require.Contains(t, text, "and the plan allows no blocking rebuild")
	require.Contains(t, w.says(alice, "plan db-prod-3 --table articles"), "FULLTEXT", "it says why there is nothing to do")
}
