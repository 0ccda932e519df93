package demo

import (
	"context"
	"database/sql"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
)

// A single connection of the bot's account, whatever it did, is seen in the server's own log; and so is a
// setting that was not put back.
func TestWhatTheBotDidIsSeenOnTheServer(t *testing.T) {
	t.Parallel()
	for _, flavor := range []mysqltest.Flavor{mysqltest.MariaDB, mysqltest.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			ctx := context.WithoutCancel(t.Context())
			c := mysqltest.MustStart(t, mysqltest.Options{Flavor: flavor, GeneralLog: true})
			require.NoError(t, c.CreateRecycler(ctx, account, password))
			w := &world{o: Options{Flavor: string(flavor)}, cluster: c}
			var err error
			w.before, err = w.readAll(ctx)
			require.NoError(t, err)
			s := &story{world: w}
			require.NoError(t, s.untouched())
			require.Len(t, s.checks, 1)
			require.True(t, s.checks[0].good, s.checks[0].seen)

			db, err := sql.Open("mysql", c.Nodes[0].DSN(account, password))
			require.NoError(t, err)
			require.NoError(t, db.PingContext(ctx))
			require.NoError(t, db.Close())
			require.NoError(t, s.untouched())
			require.False(t, s.checks[1].good, "a connection was not seen")

			setting := map[mysqltest.Flavor]string{mysqltest.MariaDB: "read_only", mysqltest.MySQL: "super_read_only"}[flavor]
			require.NoError(t, c.Nodes[0].Exec(ctx, "SET GLOBAL "+setting+"=1"))
			after, err := w.readAll(ctx)
			require.NoError(t, err)
			require.NotEqual(t, w.before[0].readOnly, after[0].readOnly)
			require.Contains(t, after[0].readOnly, setting+"=1")
		})
	}
}
