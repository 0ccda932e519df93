package rebuild

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What others run is found and named without its text; our own statements and searches for them
// are not foreign.
func TestForeign(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		statements := map[string]string{
			"SELECT /* gh-ost */ SLEEP(20) AS `secret`":                        "gh-ost of root@localhost",
			"SELECT SLEEP(20) /*pt-online-schema-change 4711 copy nibble*/":    "pt-online-schema-change of root@localhost",
			"SELECT /*!40001 SQL_NO_CACHE */ SLEEP(20), 'dump'":                "mysqldump of root@localhost",
			"SELECT SLEEP(20), '/* recycler job=R-1 step=1 */', 'alter table'": "",
			"DO SLEEP(20)": "",
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{}, len(statements))
		for s := range statements {
			go func() {
				defer func() { done <- struct{}{} }()
				_ = e.replica.Exec(ctx, s)
			}()
		}
		defer func() {
			cancel()
			for range statements {
				<-done
			}
		}()
		want := []string{}
		for _, w := range statements {
			if w != "" {
				want = append(want, w)
			}
		}
		eventually(t, "the foreign statements", func() bool {
			list, err := Foreign(t.Context(), e.srv)
			require.NoError(t, err)
			var got []string
			for _, r := range list {
				got = append(got, r.Info)
				require.NotContains(t, r.String(), "secret")
			}
			for _, w := range want {
				found := false
				for _, g := range got {
					found = found || g == w
				}
				if !found {
					return false
				}
			}
			ours, err := FindOurs(t.Context(), e.srv)
			require.NoError(t, err)
			for _, o := range ours {
				require.NotEqual(t, "R-1", o.Job)
			}
			return true
		})
	})
}

// Words decide which statement is foreign.
func TestForeignPatterns(t *testing.T) {
	t.Parallel()
	kind := func(info string) string {
		for _, f := range foreign {
			if f.pattern.MatchString(info) {
				return f.what
			}
		}
		return ""
	}
	for info, want := range map[string]string{
		"ALTER TABLE t ADD COLUMN c INT":                       "a schema change",
		"alter /* hint */ table t force":                       "a schema change",
		"ALTER ONLINE TABLE t FORCE":                           "a schema change",
		"CREATE UNIQUE INDEX i ON t (a)":                       "a schema change",
		"OPTIMIZE TABLE t":                                     "a schema change",
		"FLUSH TABLES WITH READ LOCK":                          "a backup",
		"LOCK INSTANCE FOR BACKUP":                             "a backup",
		"BACKUP STAGE BLOCK_DDL":                               "a backup",
		"insert /* gh-ost `s`.`t` */ ignore into `s`.`_t_gho`": "gh-ost",
		"INSERT LOW_PRIORITY IGNORE INTO `s`.`_t_new` /*pt-online-schema-change 1*/": "pt-online-schema-change",
		"UPDATE orders SET note = 'alter table'":                                     "",
		"SELECT * FROM altering":                                                     "",
	} {
		require.Equal(t, want, kind(info), info)
	}
}

// A kill that the server did not listen to any more is told, and the table is done.
func TestLate(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.sql(t, "CREATE TABLE @schema.t (id INT PRIMARY KEY)")
		f := e.acquire(t)
		task := e.task("t")
		// Kill again and again around the end of many small rebuilds until one comes too late.
		deadline := time.Now().Add(40 * time.Second)
		for try := 0; ; try++ {
			require.True(t, time.Now().Before(deadline), "no kill came too late in %d tries", try)
			ctx, cancel := context.WithCancel(t.Context())
			h := hooks(new(Mark))
			h.Begin = func(context.Context, Mark) error {
				time.AfterFunc(time.Duration(try%20)*time.Millisecond, cancel)
				return nil
			}
			res, err := f.Run(ctx, task, h)
			cancel()
			if err != nil {
				require.ErrorIs(t, err, ErrKilled)
				require.Equal(t, Killed, res.Outcome)
				continue
			}
			require.Equal(t, Done, res.Outcome)
			if res.Late != "" {
				require.Contains(t, res.Late, "too late")
				return
			}
		}
	})
}
