package rebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// Executor rebuilds a table with a program of others in place of our statement. Nothing it says of
// its success is believed.
type Executor interface {
	// Account is the user of its sessions on servers. Nobody else uses it.
	Account() string
	// Rebuild works until it has ended; the end of ctx stops it. It returns when nothing of it runs
	// on this machine any more; its sessions on the server may still be there.
	Rebuild(ctx context.Context, w Work) error
	// Clean removes what a stopped run left; it can be asked at any time.
	Clean(ctx context.Context, w Work) error
}

// Work is what an executor is told.
type Work struct {
	Job     string
	Step    int
	Host    string
	Addr    dbconn.Addr
	Version dbconn.Version
	Schema  string
	Table   string
	Mode    Mode
	Stopped bool // the applier is stopped
	Bytes   int64

	Features []string // of the table, when it is only asked whether it can
}

func (f *Fence) work(t Task) Work {
	return Work{Job: t.Job, Step: t.Step, Host: f.srv.Name, Addr: f.srv.Addr, Version: f.srv.Version, Schema: t.Schema,
		Table: t.Table, Mode: t.Mode, Stopped: t.Method.StopSQL, Bytes: t.Mark.BeforeBytes}
}

// maxExecuted bounds, in characters, the name of a table that an executor gets: names made of it
// must fit into the server's 64.
const maxExecuted = 50

// executable refuses a task that no executor may get.
func (t Task) executable(h Hooks) error {
	switch {
	case h.Executor == nil:
		return fmt.Errorf("the executor %s of %s.%s is not configured any more", t.Method.Executor, t.Schema, t.Table)
	case h.Executor.Account() == "":
		return fmt.Errorf("the executor %s has no account", t.Method.Executor)
	case utf8.RuneCountInString(t.Table) > maxExecuted:
		return fmt.Errorf("the name of %s.%s is longer than %d characters, which no executor gets", t.Schema, t.Table, maxExecuted)
	}
	return nil
}

// executeBy is execute with an executor: how it ended is decided by what the server shows.
func (f *Fence) executeBy(ctx context.Context, t Task, h Hooks, res Result) (Result, error) {
	start := time.Now()
	w := &watch{f: f, t: t, tell: h.Progress, gauge: newGauge(f.srv, t, f.sess.ID),
		send: func(ctx context.Context) error { return h.Executor.Rebuild(ctx, f.work(t)) }}
	err := w.run(ctx)
	res.Took = time.Since(start)
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), executorLimit)
	defer cancel()
	done, e := f.settleExecutor(own, t, h, &res)
	switch {
	case e != nil:
		return res, e
	case done:
		res.Outcome = Done
		if err != nil {
			res.Late = "The executor did not report success; the server shows that the table was rebuilt as it should be."
		}
		return res, nil
	case w.left:
		res.Outcome = Left
		return res, &Error{Class: ClassLost, Text: "The process stops and the executor with it; the table is as it was.", Err: context.Cause(ctx)}
	case w.killed():
		res.Outcome = Killed
		return res, &Error{Class: ClassKilled, Text: "The executor was stopped and the table is as it was.", Err: context.Cause(ctx)}
	case err == nil:
		res.Outcome = Failed
		return res, &Error{Class: ClassExecutor, Text: "The executor " + t.Method.Executor + " says that it rebuilt the table, and the server shows that it did not.",
			Advice: "Do not use it before that is understood."}
	}
	res.Outcome = Failed
	return res, &Error{Class: ClassOther, Text: executorSays(err) + " The table is as it was.", Advice: "Ask who looks after the executor.", Err: err}
}

// executorSays is an executor's own sentence.
func executorSays(err error) string {
	var s interface{ Sentence() string }
	if errors.As(err, &s) {
		return s.Sentence()
	}
	return "The executor failed."
}

// adoptExecutor finds out what an executor did that worked for a process which is gone. What is still
// there of it is ended: nobody watches over it any more. decided is false when it did nothing.
func (f *Fence) adoptExecutor(ctx context.Context, t Task, h Hooks) (res Result, decided bool, err error) {
	res = Result{Outcome: Unknown, Before: t.Mark.BeforeBytes}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), executorLimit)
	defer cancel()
	done, e := f.settleExecutor(own, t, h, &res)
	if e != nil {
		return res, true, e
	}
	if done {
		res.Outcome = Adopted
	}
	return res, done, nil
}

// executorLimit bounds what is done after an executor: end its sessions, have it clean up, look.
const executorLimit = 5 * time.Minute

// settleExecutor ends the executor's sessions, has it remove what it left, and looks at the table.
// done says that the server shows the same table, rebuilt. An error is the outcome in res.
func (f *Fence) settleExecutor(ctx context.Context, t Task, h Hooks, res *Result) (done bool, err error) {
	res.Outcome = Unknown
	if err := f.endSessions(ctx, h.Executor.Account()); err != nil {
		return false, unknown(err)
	}
	s, err := f.look(ctx, f.srv, t)
	gone := errors.Is(err, tablespace.ErrGone)
	if err != nil && !gone {
		return false, unknown(err)
	}
	wrong := func(text string) error {
		res.Outcome = Failed
		return &Error{Class: ClassExecutor, Text: text, Advice: "Take the server out of service and look at the table; do not use the executor before that is understood."}
	}
	if gone {
		return false, wrong(fmt.Sprintf("%s.%s is gone after the executor %s worked on it.", t.Schema, t.Table, t.Method.Executor))
	}
	res.After = s.Bytes
	now, err := f.definition(ctx, t)
	if err != nil {
		return false, unknown(err)
	}
	if now != t.Mark.Definition {
		return false, wrong(fmt.Sprintf("%s.%s is defined otherwise after the executor %s worked on it.", t.Schema, t.Table, t.Method.Executor))
	}
	left, err := f.traces(ctx, t)
	if err == nil && len(left) > 0 {
		cleaned := h.Executor.Clean(ctx, f.work(t))
		if left, err = f.traces(ctx, t); err == nil && len(left) > 0 {
			e := wrong(fmt.Sprintf("The executor %s left %s behind.", t.Method.Executor, strings.Join(left, ", ")))
			return false, errors.Join(e, cleaned)
		}
	}
	if err != nil {
		return false, unknown(err)
	}
	return rebuiltSince(t.Mark, s), nil
}

// autoIncrement is the part of a definition that changes by itself.
var autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// definition is a digest of how the server would make the table.
func (f *Fence) definition(ctx context.Context, t Task) (string, error) {
	var name, text string
	if err := f.srv.QueryRowContext(ctx, "SHOW CREATE TABLE "+dbconn.QuoteName(t.Schema, t.Table)).Scan(&name, &text); err != nil {
		return "", fmt.Errorf("read the definition of %s.%s: %w", t.Schema, t.Table, err)
	}
	sum := sha256.Sum256([]byte(autoIncrement.ReplaceAllString(text, "")))
	return hex.EncodeToString(sum[:]), nil
}

// traces are the tables and triggers that executors make, by the names their contract gives them:
// _TABLE_new and _TABLE_old with one underscore or more in front, and any trigger of the table.
func (f *Fence) traces(ctx context.Context, t Task) ([]string, error) {
	query := `SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?
UNION SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (?` + strings.Repeat(", ?", 2*maxUnderscores-1) + `)`
	args := []any{t.Schema, t.Table, t.Schema}
	for n := 1; n <= maxUnderscores; n++ {
		args = append(args, strings.Repeat("_", n)+t.Table+"_new", strings.Repeat("_", n)+t.Table+"_old")
	}
	rows, err := f.srv.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("look for traces of an executor: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("look for traces of an executor: %w", err)
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

// maxUnderscores is how many pt-online-schema-change puts in front of a name that is taken.
const maxUnderscores = 10

// sessions lists the connections of an account.
func (f *Fence) sessions(ctx context.Context, account string) (ids []uint64, err error) {
	list, err := processes(ctx, f.srv)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if id, ok := p.Int("Id"); ok && p.Text("User") == account {
			ids = append(ids, uint64(id))
		}
	}
	return ids, nil
}

// endSessions kills the connections of an executor until none is left: its program is gone, but the
// server goes on with a statement whose client is not there any more.
func (f *Fence) endSessions(ctx context.Context, account string) error {
	for {
		ids, err := f.sessions(ctx, account)
		if err == nil && len(ids) == 0 {
			return nil
		}
		for _, id := range ids {
			err = errors.Join(err, f.srv.KillConnection(ctx, id))
		}
		if !sleep(ctx, awaitEvery) {
			return errors.Join(fmt.Errorf("end the sessions of %s on %s: %w", account, f.srv.Name, context.Cause(ctx)), err)
		}
	}
}

// ready refuses, before anything is written down or done, what could not be told apart afterwards:
// sessions of the executor's account that are there already, its names taken, triggers we would not
// see or sessions we could not end for want of a right.
func (f *Fence) ready(ctx context.Context, t Task, h Hooks) error {
	grants, err := dbconn.ReadGrants(ctx, f.sess)
	if err != nil {
		return failure(err)
	}
	if missing := grants.Missing(dbconn.ExecutorRights(f.srv.Version, t.Schema)); len(missing) > 0 {
		return &Error{Class: ClassPrivilege, Text: fmt.Sprintf("The account needs %s to %s; nothing was done.", missing[0].AnyOf[0], missing[0].Why),
			Advice: "recycler doctor prints the statement that grants it."}
	}
	var self string
	if err := f.sess.QueryRowContext(ctx, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)").Scan(&self); err != nil {
		return failure(fmt.Errorf("ask who we are: %w", err))
	}
	ids, err := f.sessions(ctx, h.Executor.Account())
	if err != nil {
		return failure(err)
	}
	if self == h.Executor.Account() || len(ids) > 0 {
		return &Error{Class: ClassOther, Text: fmt.Sprintf("The account %s is in use on %s; an executor has one to itself. Nothing was done.", h.Executor.Account(), f.srv.Name),
			Advice: "Give the executor an account that nobody else uses."}
	}
	left, err := f.traces(ctx, t)
	if err != nil {
		return failure(err)
	}
	if len(left) > 0 {
		return &Error{Class: ClassUnsuitable, Text: fmt.Sprintf("%s.%s has triggers, or names an executor makes are taken (%s); nothing was done.", t.Schema, t.Table, strings.Join(left, ", ")),
			Advice: "Look what they are for; drop them only if nobody needs them."}
	}
	return nil
}
