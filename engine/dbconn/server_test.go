package dbconn_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
)

// Everything a server is used for, on each flavor.
func TestServer(t *testing.T) {
	t.Parallel()
	matrix(t, func(t *testing.T, c *mysqltest.Cluster, a *dbconn.Access) {
		srv := open(t, a, 0)
		require.Equal(t, "db-prod-1", srv.Name)
		require.Equal(t, c.Nodes[0].ServerID, srv.ServerID)
		require.Contains(t, srv.Version.Raw, c.Version)
		require.NotEmpty(t, srv.Identity)
		require.NoError(t, c.Nodes[0].Exec(t.Context(), "CREATE DATABASE `a-b`; CREATE TABLE `a-b`.`we``ird` (id INT)"))

		t.Run("dialect", func(t *testing.T) {
			d := srv.Version.Dialect()
			for _, sql := range []string{d.ShowReplicas, d.ShowStatus, d.ShowBinlogStatus, d.ShowBinlogs} {
				rows, err := srv.QueryContext(t.Context(), sql)
				require.NoError(t, err, sql)
				require.NoError(t, rows.Close())
			}
			require.Equal(t, d.SuperReadOnly, srv.Facts().Has("super_read_only"))
			require.Equal(t, d.ServerUUID, srv.Facts().Has("server_uuid"))
		})
		t.Run("the same facts again", func(t *testing.T) {
			sess, err := srv.Session(t.Context())
			require.NoError(t, err)
			defer func() { require.NoError(t, sess.Close()) }()
			for _, readOnly := range []bool{true, false} {
				require.NoError(t, c.Nodes[0].Exec(t.Context(), fmt.Sprintf("SET GLOBAL read_only = %t", readOnly)))
				shown, err := dbconn.ReadFacts(t.Context(), sess)
				require.NoError(t, err)
				again, err := srv.Facts().Again(t.Context(), sess)
				require.NoError(t, err)
				require.Equal(t, readOnly, again.On("read_only"))
				require.Len(t, again, len(shown))
				for name := range shown {
					require.Equal(t, shown.On(name), again.On(name), name)
				}
				id, err := again.Identity()
				require.NoError(t, err)
				require.Equal(t, srv.Identity, id)
				v, err := again.Version()
				require.NoError(t, err)
				require.Equal(t, srv.Version, v)
			}
		})
		t.Run("identity survives a restart", func(t *testing.T) {
			require.NoError(t, c.Nodes[0].Kill())
			require.NoError(t, c.Nodes[0].Restart(t.Context()))
			again := open(t, a, 0)
			require.Equal(t, srv.Identity, again.Identity)
		})
		t.Run("session", func(t *testing.T) { session(t, srv) })
		t.Run("kill by tag", func(t *testing.T) { killByTag(t, srv) })
		t.Run("read timeout", func(t *testing.T) { readTimeout(t, a) })
		if c.Flavor == mysqltest.MySQL {
			t.Run("tls", func(t *testing.T) { encrypted(t, *a) })
		}
		t.Run("rights", func(t *testing.T) { rights(t, c, a, srv) })
	})
}

// session pins settings, reads quoted names and ends with its connection.
func session(t *testing.T, srv *dbconn.Server) {
	sess, err := srv.Session(t.Context())
	require.NoError(t, err)
	_, err = sess.ExecContext(t.Context(), "SET SESSION sql_log_bin=0, @mark=7")
	require.NoError(t, err)
	var id uint64
	var mark, logged int
	require.NoError(t, sess.QueryRowContext(t.Context(), "SELECT CONNECTION_ID(), @mark, @@session.sql_log_bin").Scan(&id, &mark, &logged))
	require.Equal(t, []int{7, 0}, []int{mark, logged})
	require.Equal(t, sess.ID, id)
	var n int
	require.NoError(t, sess.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+dbconn.QuoteName("a-b", "we`ird")).Scan(&n))
	require.NoError(t, sess.Close())
	require.NoError(t, sess.Close(), "twice is no error")
	require.ErrorIs(t, sess.QueryRowContext(t.Context(), "SELECT 1").Scan(&n), sql.ErrConnDone, "it never comes back")
}

// killByTag ends only the statement that carries the tag.
func killByTag(t *testing.T, srv *dbconn.Server) {
	sess, err := srv.Session(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, sess.Close()) }()
	require.ErrorIs(t, srv.KillQuery(t.Context(), sess.ID, "recycle job=1"), dbconn.ErrNotRunning)

	var group errgroup.Group
	begin := time.Now()
	group.Go(func() error {
		_, err := sess.ExecContext(t.Context(), "DO /* recycle job=1 */ SLEEP(60)")
		if dbconn.Code(err) == 1317 { // some versions end an interrupted SLEEP without an error
			return nil
		}
		return err
	})
	require.Eventually(t, func() bool {
		require.ErrorIs(t, srv.KillQuery(t.Context(), sess.ID, "recycle job=2"), dbconn.ErrNotRunning, "another job's statement is left alone")
		return srv.KillQuery(t.Context(), sess.ID, "recycle job=1") == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, group.Wait())
	require.Less(t, time.Since(begin), 30*time.Second)
	require.Error(t, srv.KillQuery(t.Context(), sess.ID, ""), "without a tag nothing is killed")

	// Readers that hang hold every connection of the pool, and no kill up.
	ctx, stop := context.WithCancel(t.Context())
	var readers errgroup.Group
	for range 4 {
		readers.Go(func() error { return srv.QueryRowContext(ctx, "SELECT SLEEP(9)").Scan(new(int)) })
	}
	require.Eventually(t, func() bool {
		var n int
		return sess.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = 'SELECT SLEEP(9)'").Scan(&n) == nil && n == 4
	}, 10*time.Second, 10*time.Millisecond)
	soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.ErrorIs(t, srv.KillQuery(soon, sess.ID, "recycle job=1"), dbconn.ErrNotRunning)
	stop()
	require.Error(t, readers.Wait())
}

// readTimeout bounds reads of the pool and not those of a session.
func readTimeout(t *testing.T, a *dbconn.Access) {
	short := *a
	short.ReadTimeout = 200 * time.Millisecond
	srv, err := short.Open(t.Context(), short.Hosts[0].Addr)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	begin := time.Now()
	var n int
	err = srv.QueryRowContext(t.Context(), "SELECT SLEEP(30)").Scan(&n)
	require.True(t, dbconn.Lost(err), "%v", err)
	require.Less(t, time.Since(begin), 10*time.Second)
	sess, err := srv.Session(t.Context())
	require.NoError(t, err)
	require.NoError(t, sess.QueryRowContext(t.Context(), "SELECT SLEEP(0.5)").Scan(&n), "a session is not bounded")
	require.NoError(t, sess.Close())
}

// What is not allowed is refused before anything is sent, and everything else has a class.
func TestOpenErrors(t *testing.T) {
	t.Parallel()
	c, a := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1"})
	class := func(a dbconn.Access, at dbconn.Addr) (dbconn.Class, *dbconn.ConnectError) {
		_, err := a.Open(t.Context(), at)
		var connect *dbconn.ConnectError
		require.ErrorAs(t, err, &connect)
		require.NotContains(t, fmt.Sprint(err, connect.Sentence(), connect.Hint()), testPass)
		return connect.Class, connect
	}
	t.Run("visit", func(t *testing.T) { visits(t, c, a) })
	asked := false
	spy := *a
	spy.Password = func() (string, error) { asked = true; return testPass, nil }
	_, err := spy.Open(t.Context(), dbconn.Addr{Host: "db-elsewhere.invalid", Port: 3307})
	var notAllowed *dbconn.NotAllowedError
	require.ErrorAs(t, err, &notAllowed)
	require.False(t, asked, "no credential is read for it")

	wide := *a
	wide.Allow = []string{"127.*", "*.invalid"}
	wide.DialTimeout = 300 * time.Millisecond
	got, _ := class(wide, dbconn.Addr{Host: "db.invalid", Port: 3307})
	require.Equal(t, dbconn.ClassDNS, got)
	got, _ = class(wide, dbconn.Addr{Host: "127.0.0.1", Port: 1})
	require.Equal(t, dbconn.ClassRefused, got)
	deaf, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, deaf.Close()) }()
	got, _ = class(wide, addr(t, deaf.Addr().String()))
	require.Equal(t, dbconn.ClassTimeout, got)

	wrong := *a
	wrong.Password = func() (string, error) { return "no", nil }
	got, e := class(wrong, a.Hosts[0].Addr)
	require.Equal(t, dbconn.ClassAuth, got)
	require.Equal(t, "db-prod-1 refuses our account (error 1045).", e.Sentence())
	secret := *a
	secret.Password = func() (string, error) { return "", errors.New("open /run/" + testPass) }
	got, _ = class(secret, a.Hosts[0].Addr)
	require.Equal(t, dbconn.ClassSecret, got)
	plain := *a
	plain.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	got, _ = class(plain, a.Hosts[0].Addr)
	require.Equal(t, dbconn.ClassTLS, got, "a server without TLS is not spoken to in clear")
	require.NoError(t, c.Nodes[0].Kill())
	got, _ = class(*a, a.Hosts[0].Addr)
	require.Equal(t, dbconn.ClassRefused, got)
}

// encrypted: MySQL brings a certificate of its own. TLS is used when configured, and an unknown
// authority refused.
func encrypted(t *testing.T, plain dbconn.Access) {
	a := &plain
	a.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	_, err := a.Open(t.Context(), a.Hosts[0].Addr)
	var connect *dbconn.ConnectError
	require.ErrorAs(t, err, &connect)
	require.Equal(t, dbconn.ClassTLS, connect.Class, "%v", err)

	a.TLS = &tls.Config{InsecureSkipVerify: true}
	srv := open(t, a, 0)
	row := map[string]string{}
	rows, err := srv.QueryContext(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	require.NoError(t, err)
	all, err := dbconn.ReadRows(rows)
	require.NoError(t, err)
	require.NoError(t, rows.Close())
	for _, r := range all {
		row[r.Text("Variable_name")] = r.Text("Value")
	}
	require.True(t, strings.HasPrefix(row["Ssl_cipher"], "TLS_"), "%v", row)
}

// visits: several statements in one packet are for visits alone.
func visits(t *testing.T, c *mysqltest.Cluster, a *dbconn.Access) {
	two := "SELECT 1; SELECT 2"
	srv := open(t, a, 0)
	_, err := srv.QueryContext(t.Context(), two)
	require.EqualValues(t, 1064, dbconn.Code(err))

	visit, err := a.Visit(t.Context(), a.Hosts[0].Addr, time.Now().Add(time.Minute))
	require.NoError(t, err)
	defer func() { require.NoError(t, visit.Close()) }()
	require.Equal(t, srv.Identity, visit.Identity)

	statements := []string{"SELECT 1 AS n", "SELECT * FROM nowhere.t", "SELECT 3 AS n", "SHOW NONSENSE", "SELECT 5 AS n"}
	for _, answers := range [][]dbconn.Answer{visit.Ask(t.Context(), statements), dbconn.AskAll(t.Context(), srv, statements)} {
		require.Len(t, answers, 5)
		for n, want := range []uint16{0, 1146, 0, 1064, 0} {
			require.Equal(t, want, dbconn.Code(answers[n].Err), "%v", answers[n].Err)
			if want == 0 {
				got, _ := answers[n].Rows[0].Int("n")
				require.EqualValues(t, n+1, got)
			}
		}
	}
	require.NoError(t, c.Nodes[0].Pause())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for _, a := range visit.Ask(ctx, statements) {
		require.True(t, dbconn.Lost(a.Err), "%v", a.Err)
	}
	require.NoError(t, c.Nodes[0].Continue())
}
