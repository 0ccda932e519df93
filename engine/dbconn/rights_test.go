package dbconn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
)

// rights compares the list with a real server: the documented account lacks nothing, an account
// with nothing gets exactly what is missing from the statements printed, and afterwards the
// statements that the rights are for work.
func rights(t *testing.T, c *mysqltest.Cluster, a *dbconn.Access, srv *dbconn.Server) {
	ctx := t.Context()
	need := dbconn.Rights(srv.Version, dbconn.Need{Discover: true, Rebuild: true, SuperReadOnly: true, StopSQL: true})
	grants, err := dbconn.ReadGrants(ctx, srv)
	require.NoError(t, err)
	require.Equal(t, "recycler@%", grants.Account)
	require.Empty(t, grants.Missing(need))

	root := c.Nodes[0]
	require.NoError(t, root.CreateUser(ctx, "o'dd@name", "x"))
	odd := *a
	odd.User, odd.Password = "o'dd@name", func() (string, error) { return "x", nil }
	reopen := func() (*dbconn.Server, dbconn.Grants) {
		s, err := odd.Open(ctx, odd.Hosts[0].Addr)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		g, err := dbconn.ReadGrants(ctx, s)
		require.NoError(t, err)
		return s, g
	}
	_, none := reopen()
	missing := none.Missing(need)
	require.Len(t, missing, len(need))
	statements := dbconn.GrantSQL(none.Account, missing)
	for _, sql := range statements {
		require.NoError(t, root.Exec(ctx, sql), sql)
	}
	s, all := reopen()
	require.Empty(t, all.Missing(need), "after %v", statements)
	d := s.Version.Dialect()
	for _, sql := range []string{d.ShowReplicas, d.ShowStatus, d.ShowBinlogStatus} {
		rows, err := s.QueryContext(ctx, sql)
		require.NoError(t, err, sql)
		require.NoError(t, rows.Close())
	}
	sess, err := s.Session(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, sess.Close()) }()
	_, err = sess.ExecContext(ctx, "SET SESSION sql_log_bin=0")
	require.NoError(t, err)
	require.NoError(t, root.Exec(ctx, "SET GLOBAL read_only=1"))
	_, err = sess.ExecContext(ctx, "ALTER TABLE `a-b`.`we``ird` FORCE")
	require.NoError(t, err)
	require.NoError(t, root.Exec(ctx, "SET GLOBAL read_only=0"))
}

// SUPER stands for what it really stands for, on real servers: it lists no replicas, and lifts no
// read_only where that was split off.
func TestSuperIsNotEverything(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB, mysqltest.MySQL56) {
		t.Run(string(o.Flavor), func(t *testing.T) {
			c, a := start(t, o)
			ctx := t.Context()
			require.NoError(t, c.Nodes[0].CreateUser(ctx, "super", "x", "SUPER ON *.*"))
			as := *a
			as.User, as.Password = "super", func() (string, error) { return "x", nil }
			srv := open(t, &as, 0)
			sess, err := srv.Session(ctx)
			require.NoError(t, err)
			defer func() { require.NoError(t, sess.Close()) }()
			g, err := dbconn.ReadGrants(ctx, srv)
			require.NoError(t, err)
			d := srv.Version.Dialect()
			lacks := map[string]bool{}
			for _, r := range g.Missing(dbconn.Rights(srv.Version, dbconn.Need{Discover: true, Rebuild: true, StopSQL: true, SuperReadOnly: true})) {
				lacks[r.Why] = true
			}
			for why, sql := range map[string]string{
				"list the replicas of a server":         d.ShowReplicas,
				"read the replication status":           d.ShowStatus,
				"keep a rebuild out of the binary log":  "SET SESSION sql_log_bin=0",
				"rebuild on a server that is read_only": "SET GLOBAL read_only=@@global.read_only", // the same right, without a table
				"stop the applier during a rebuild":     d.StopSQL,
			} {
				_, err := sess.ExecContext(ctx, sql)
				require.Equal(t, lacks[why], err != nil, "%s: %v", why, err)
			}
		})
	}
	old, err := dbconn.ParseVersion("10.6.21-MariaDB")
	require.NoError(t, err)
	for _, r := range dbconn.Rights(old, dbconn.Need{Rebuild: true}) {
		if r.Why == "rebuild on a server that is read_only" {
			require.Contains(t, r.AnyOf, "SUPER", "before 10.11 SUPER was enough")
		}
	}
}

// Rights through roles, wildcards and partial revokes, on real servers.
func TestRightsThroughRoles(t *testing.T) {
	t.Parallel()
	setDefault := map[mysqltest.Flavor]string{
		mysqltest.MySQL:   "SET DEFAULT ROLE ALL TO carrier@'%'",
		mysqltest.MariaDB: "SET DEFAULT ROLE recycle_role FOR carrier@'%'",
	}
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB) {
		t.Run(string(o.Flavor), func(t *testing.T) {
			c, a := start(t, o)
			ctx, root := t.Context(), c.Nodes[0]
			require.NoError(t, root.Exec(ctx, "CREATE DATABASE shop_a; CREATE ROLE recycle_role"))
			for _, g := range mysqltest.MinimalGrants(c.Flavor, c.Version) {
				require.NoError(t, root.Exec(ctx, "GRANT "+g+" TO recycle_role"))
			}
			require.NoError(t, root.CreateUser(ctx, "carrier", "x"))
			require.NoError(t, root.Exec(ctx, "GRANT recycle_role TO carrier@'%'; "+setDefault[c.Flavor]))
			as := *a
			as.User, as.Password = "carrier", func() (string, error) { return "x", nil }
			srv := open(t, &as, 0)
			g, err := dbconn.ReadGrants(ctx, srv)
			require.NoError(t, err)
			require.Empty(t, g.Missing(dbconn.Rights(srv.Version, dbconn.Need{Rebuild: true, StopSQL: true, SuperReadOnly: true})))

			require.NoError(t, root.CreateUser(ctx, "narrow", "x", "ALTER, SELECT ON `shop\\_%`.*", "SELECT ON `mysql`.`innodb_index_stats`"))
			as.User = "narrow"
			g, err = dbconn.ReadGrants(ctx, open(t, &as, 0))
			require.NoError(t, err)
			require.True(t, g.Has("ALTER", "shop_a.*"))
			require.False(t, g.Has("ALTER", "shopXa.*"), "the underscore is escaped")
			require.False(t, g.Has("ALTER", "*.*"))
			require.True(t, g.Has("SELECT", "mysql.innodb_index_stats"))
			require.False(t, g.Has("SELECT", "mysql.innodb_table_stats"))

			if c.Flavor == mysqltest.MySQL {
				require.NoError(t, root.Exec(ctx, "SET GLOBAL partial_revokes=1"))
				require.NoError(t, root.CreateUser(ctx, "partly", "x", "ALTER ON *.*"))
				require.NoError(t, root.Exec(ctx, "REVOKE ALTER ON shop_a.* FROM partly@'%'"))
				as.User = "partly"
				g, err = dbconn.ReadGrants(ctx, open(t, &as, 0))
				require.NoError(t, err)
				require.False(t, g.Has("ALTER", "shop_a.*"))
				require.True(t, g.Has("ALTER", "other.*"))
			}
		})
	}
}
