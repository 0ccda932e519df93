package backup_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
	"mysql-recycler/storage/backup"
	"mysql-recycler/storage/pgtest"
)

// postgres is one server for all tests.
var postgres struct {
	sync.Once
	s   *pgtest.Server
	err error
}

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		victim() // does not return
	}
	goleak.VerifyTestMain(stopping{m})
}

// stopping stops the server after the tests.
type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	code := s.m.Run()
	if postgres.s != nil {
		if err := postgres.s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// newURL is an empty database of a kind.
func newURL(t *testing.T, kind string) string {
	t.Helper()
	if kind == "sqlite" {
		return storage.SQLiteURL(filepath.Join(t.TempDir(), "state.db"))
	}
	postgres.Do(func() { postgres.s, postgres.err = pgtest.Start(context.Background()) })
	require.NoError(t, postgres.err)
	url, _, err := postgres.s.Create(t.Context(), "")
	require.NoError(t, err)
	return url
}

func open(t *testing.T, url string) *storage.DB {
	t.Helper()
	db, err := storage.Open(t.Context(), url, zap.NewNop(), storage.WithProgram("v1.2.3"))
	require.NoError(t, err)
	return db
}

func key(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	return id
}

// ask stores a pending request of alice for two tables of a host.
func ask(t *testing.T, db *storage.DB, id, host string) approvals.Request {
	t.Helper()
	r := request(id, host)
	require.NoError(t, requests(db).CreateRequest(t.Context(), r))
	return r
}

func request(id, host string) approvals.Request {
	plan := engine.Plan{Cluster: "shop", Mode: "binlog-off", Hosts: []engine.HostPlan{{Name: host, Steps: []engine.PlannedStep{
		{Seq: 1, Schema: "shop", Table: "orders", Bytes: 900, Predicted: 500},
		{Seq: 2, Schema: "shop", Table: "carts", Bytes: 300, Predicted: 100},
	}}}}
	now := time.Now().UTC().Truncate(time.Millisecond)
	return approvals.Request{ID: id, Kind: approvals.KindRecycle, Cluster: "shop", Target: host, Command: "run " + host,
		Requester: approvals.Actor{Team: "T1", ID: "UALICE", Name: "alice"}, Channel: "C1", Plan: &plan, Digest: plan.Digest(),
		MinApprovals: 1, State: approvals.Pending, Created: now, Expires: now.Add(time.Hour)}
}

func requests(db *storage.DB) *storage.Requests {
	queued := func(context.Context, storage.Tx, string, string) error { return nil }
	return storage.NewRequests(db, queued, func(string) string { return "default" })
}

// fill gives a database a waiting request and a job in the middle of its first table.
func fill(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	ask(t, db, "R-WAIT", "db-2")
	r := ask(t, db, "R-LIVE", "db-3")
	job := engine.Job{ID: r.ID, RequestID: r.ID, Kind: engine.JobKind(r.Kind), Cluster: r.Cluster, Host: r.Target, Digest: r.Digest, Plan: *r.Plan}
	for _, s := range r.Plan.Hosts[0].Steps {
		job.Steps = append(job.Steps, engine.Step{Seq: s.Seq, Plan: s})
	}
	_, err := requests(db).Review(ctx, approvals.Review{RequestID: r.ID, Reviewer: approvals.Actor{Team: "T1", ID: "UBOB", Name: "bob"},
		Decision: approvals.Approve, Digest: r.Digest, Approvers: []string{"UBOB"}}, []engine.Job{job})
	require.NoError(t, err)
	lease, err := storage.NewLeases(db).Take(ctx, r.ID, "worker", time.Minute)
	require.NoError(t, err)
	journal := storage.NewJournal(db)
	require.NoError(t, journal.SetJob(ctx, lease, engine.JobChange{State: engine.JobRunning, Event: engine.Event{Kind: engine.EventJobStarted}}))
	step := job.Steps[0]
	step.State = engine.StepRunning
	require.NoError(t, journal.SetStep(ctx, lease, engine.StepChange{Step: step, Event: engine.Event{Kind: engine.EventStepStarted}}))
}

// A backup of each kind of database, made while it is written to, becomes a database of each kind.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"sqlite", "sqlite"}, {"sqlite", "postgres"}, {"postgres", "sqlite"}} {
		t.Run(c[0]+" to "+c[1], func(t *testing.T) {
			t.Parallel()
			db := open(t, newURL(t, c[0]))
			defer func() { require.NoError(t, db.Close()) }()
			fill(t, db)
			folder, id := filepath.Join(t.TempDir(), "backups"), key(t)
			writes := make(chan error, 1)
			go func() {
				var err error
				for i := range 20 {
					r := request(fmt.Sprintf("R-%04d", i), fmt.Sprintf("db-%d", 10+i))
					err = errors.Join(err, requests(db).CreateRequest(t.Context(), r))
				}
				writes <- err
			}()
			f, m, err := backup.Take(t.Context(), db, folder, []age.Recipient{id.Recipient()}, 0)
			require.NoError(t, errors.Join(err, <-writes))
			require.Equal(t, c[0], m.Kind)
			checkFile(t, f)
			verified, err := backup.Verify(t.Context(), f.Path, []age.Identity{id}, "v1.2.3")
			require.NoError(t, err)
			require.Equal(t, m, verified)

			url := newURL(t, c[1])
			r, err := backup.Restore(t.Context(), f.Path, []age.Identity{id}, url, "dba@host", "v1.2.3")
			require.NoError(t, err)
			require.Equal(t, []string{"R-LIVE"}, r.Ended)
			require.Empty(t, r.Old)
			checkRestored(t, url)
		})
	}
}

func checkFile(t *testing.T, f backup.File) {
	t.Helper()
	info, err := os.Stat(f.Path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(t, info.Size(), f.Bytes)
	b, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	require.NotContains(t, string(b), "orders")
	require.True(t, bytes.HasPrefix(b, []byte("age-encryption.org/v1\n")))
}

// checkRestored looks at what fill made, after a restore.
func checkRestored(t *testing.T, url string) {
	t.Helper()
	db := open(t, url)
	defer func() { require.NoError(t, db.Close()) }()
	j, err := storage.NewJournal(db).Job(t.Context(), "R-LIVE")
	require.NoError(t, err)
	require.Equal(t, engine.JobFailed, j.State)
	require.Contains(t, j.Reason, "A backup was restored")
	require.Equal(t, engine.StepUnknown, j.Steps[0].State)
	require.Equal(t, engine.StepPending, j.Steps[1].State)
	r, err := storage.NewFacts(db).Request(t.Context(), "R-WAIT")
	require.NoError(t, err)
	require.Equal(t, approvals.Pending, r.State)
	_, err = storage.NewAudit(db).Verify(t.Context())
	require.NoError(t, err)
	var restored []storage.AuditLink
	require.NoError(t, storage.NewAudit(db).Export(t.Context(), func(l storage.AuditLink) error {
		if bytes.Contains(l.Body, []byte(`"action":"restore"`)) {
			restored = append(restored, l)
		}
		return nil
	}))
	require.Len(t, restored, 1)
	require.Contains(t, string(restored[0].Body), "dba@host")
	ask(t, db, "R-NEW", "db-99") // numbers go on where they were
}

// made is a backup of a filled SQLite file.
func made(t *testing.T) (url, path string, id *age.X25519Identity) {
	t.Helper()
	url, id = newURL(t, "sqlite"), key(t)
	db := open(t, url)
	fill(t, db)
	f, _, err := backup.Take(t.Context(), db, t.TempDir(), []age.Recipient{id.Recipient()}, 0)
	require.NoError(t, errors.Join(err, db.Close()))
	return url, f.Path, id
}

func requireProblem(t *testing.T, err error, code string) {
	t.Helper()
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, code, p.Code, "%v", err)
	require.NotEmpty(t, p.Next)
}

// What is not whole does not open, and nothing is changed for it.
func TestBrokenFilesAreRefused(t *testing.T) {
	t.Parallel()
	_, path, id := made(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	ids := []age.Identity{id}
	bad := filepath.Join(t.TempDir(), "bad.age")
	for k := range 12 {
		at := len(whole) * k / 12
		changed := bytes.Clone(whole)
		changed[at] ^= 1
		require.NoError(t, os.WriteFile(bad, changed, 0o600))
		_, err := backup.Verify(t.Context(), bad, ids, "v1.2.3")
		var p *engine.Problem
		require.ErrorAs(t, err, &p, "byte %d", at)
		require.NoError(t, os.WriteFile(bad, whole[:at], 0o600))
		_, err = backup.Verify(t.Context(), bad, ids, "v1.2.3")
		requireProblem(t, err, "backup_broken")
	}
	_, err = backup.Verify(t.Context(), path, []age.Identity{key(t)}, "v1.2.3")
	requireProblem(t, err, "backup_identity")

	url := newURL(t, "sqlite")
	_, err = backup.Restore(t.Context(), bad, ids, url, "dba", "v1.2.3")
	require.Error(t, err)
	_, err = os.Stat(url[len("sqlite://"):])
	require.ErrorIs(t, err, os.ErrNotExist, "nothing was made")
}

// A backup of a newer program names the version to install.
func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	url, _, id := made(t)
	raw, err := sql.Open("sqlite", url[len("sqlite://"):])
	require.NoError(t, err)
	db := open(t, url) // open already, as the newer program has it
	_, err = raw.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	require.NoError(t, err)
	_, err = raw.ExecContext(t.Context(), "INSERT INTO schema_history (version, program, at) VALUES (9999, 'v9.9.9', 99999999999999)")
	require.NoError(t, errors.Join(err, raw.Close()))
	f, _, err := backup.Take(t.Context(), db, t.TempDir(), []age.Recipient{id.Recipient()}, 0)
	require.NoError(t, errors.Join(err, db.Close()))
	_, err = backup.Verify(t.Context(), f.Path, []age.Identity{id}, "v1.2.3")
	requireProblem(t, err, "schema_newer")
	var p *engine.Problem
	require.ErrorAs(t, err, &p)
	require.Contains(t, p.Next, "v9.9.9")
}

// A database in use is not replaced; one that is not, stays beside the new one.
func TestReplace(t *testing.T) {
	t.Parallel()
	url, path, id := made(t)
	ids := []age.Identity{id}
	db := open(t, url)
	leases := storage.NewBotLeases(db)
	l, err := leases.Take(t.Context(), "bot:1", "o", "host/7", time.Minute)
	require.NoError(t, err)
	_, err = backup.Restore(t.Context(), path, ids, url, "dba", "v1.2.3")
	requireProblem(t, err, "database_in_use")
	require.NoError(t, leases.Release(t.Context(), l))
	leave, err := db.JoinWorkers(t.Context(), func(context.Context) error { return nil })
	require.NoError(t, err)
	_, err = backup.Restore(t.Context(), path, ids, url, "dba", "v1.2.3")
	requireProblem(t, err, "database_in_use")
	require.NoError(t, leave())
	ask(t, db, "R-LATE", "db-7") // after the backup
	require.NoError(t, db.Close())

	r, err := backup.Restore(t.Context(), path, ids, url, "dba@host", "v1.2.3")
	require.NoError(t, err)
	checkRestored(t, url)
	old := open(t, storage.SQLiteURL(r.Old))
	_, err = storage.NewFacts(old).Request(t.Context(), "R-LATE")
	require.NoError(t, errors.Join(err, old.Close()), "the old state is whole")

	require.NoError(t, os.WriteFile(url[len("sqlite://"):], []byte("a disk that lies"), 0o600))
	_, err = backup.Restore(t.Context(), path, ids, url, "dba@host", "v1.2.3")
	require.NoError(t, err, "a broken database is why people restore")
	checkRestored(t, url)
	_, err = backup.Restore(t.Context(), path, ids, newFilled(t), "dba", "v1.2.3")
	requireProblem(t, err, "not_empty")
}

// newFilled is a PostgreSQL database that is not empty.
func newFilled(t *testing.T) string {
	t.Helper()
	url := newURL(t, "postgres")
	db := open(t, url)
	fill(t, db)
	require.NoError(t, db.Close())
	return url
}

// The keeper makes up for a time that passed, keeps the newest, and waits for the next.
func TestKeeper(t *testing.T) {
	t.Parallel()
	db := open(t, newURL(t, "sqlite"))
	defer func() { require.NoError(t, db.Close()) }()
	folder := t.TempDir()
	var mu sync.Mutex
	var files []backup.File
	k := &backup.Keeper{DB: db, Folder: folder, To: []age.Recipient{key(t).Recipient()}, Keep: 2, Log: zap.NewNop(),
		Next: func(after time.Time) time.Time { return after.Add(time.Second) }, Told: func(f backup.File, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				files = append(files, f)
			}
		}}
	told := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(files)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	require.Eventually(t, func() bool { return told() >= 3 }, time.Minute, 10*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	left, err := backup.List(folder)
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Equal(t, files[len(files)-1].Path, left[0].Path)
}
