package rebuild

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// watch runs a statement and stays beside it.
type watch struct {
	f     *Fence
	t     Task
	send  func(context.Context) error // runs the statement, which carries the task's tag
	tell  func(Progress)
	gauge *gauge

	left        bool   // the statement was left running on purpose
	phaseAtKill string // what the server did when the first KILL QUERY was sent
}

// killed reports whether a KILL QUERY was sent.
func (w *watch) killed() bool { return w.phaseAtKill != "" }

// tickEvery is the time between two looks at the progress.
const tickEvery = time.Second

// run sends the statement and returns when it has ended or was left. Cancelling a context does not
// stop a statement on the server, so the one it is sent with lives on until we leave it.
func (w *watch) run(ctx context.Context) error {
	running, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	ended := make(chan struct{})
	var result error
	var g errgroup.Group
	g.Go(func() error {
		defer close(ended)
		result = w.send(running)
		return nil
	})
	g.Go(func() error {
		w.beside(ctx, ended, leave)
		return nil
	})
	_ = g.Wait() // both return nil: the statement's error is in result
	return result
}

// beside tells the progress until the statement has ended, and stops it when ctx ends.
func (w *watch) beside(ctx context.Context, ended <-chan struct{}, leave func()) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			// A look that hangs must not keep us from a kill.
			look, cancel := context.WithTimeout(ctx, 3*tickEvery)
			if p, ok := w.gauge.read(look); ok {
				w.tell(p)
			}
			cancel()
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), ErrLeave) {
				w.left = true
				leave()
				return
			}
			if w.t.Method.Kind == Plugin { // its program is stopped; its sessions are ended afterwards
				w.phaseAtKill = "executor"
				leave()
				return
			}
			if w.t.Method.Kind == Optimize {
				// Stopped in the middle of its repair it leaves a table marked as crashed, on which the
				// applier breaks (tried on MySQL 9.7 and MariaDB 10.11). Its wait for the lock is short.
				w.phaseAtKill = "optimize"
				<-ended
				return
			}
			w.kill(ended)
			return
		}
	}
}

// killEvery is the time between two KILL QUERY: the first can come before the server has begun the
// statement, and is then lost.
const killEvery = 500 * time.Millisecond

// kill sends KILL QUERY from a second connection until the statement has ended. Only a statement
// that still carries our tag is killed. A failure is tried again: our statement must not go on
// because one connection could not be made.
func (w *watch) kill(ended <-chan struct{}) {
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for {
		phase := w.phase()
		ctx, cancel := context.WithTimeout(context.Background(), 10*killEvery)
		err := w.f.srv.KillQuery(ctx, w.f.sess.ID, Tag(w.t.Job, w.t.Step))
		cancel()
		if err == nil && w.phaseAtKill == "" {
			w.phaseAtKill = phase
		}
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

// phaseLimit bounds the look before a kill: it only serves to say later why a kill came too late.
const phaseLimit = 200 * time.Millisecond

// phase is what the server does with the statement now.
func (w *watch) phase() string {
	ctx, cancel := context.WithTimeout(context.Background(), phaseLimit)
	defer cancel()
	return w.gauge.work(ctx).phase
}

// send runs the statement on the pinned session.
func (f *Fence) send(ctx context.Context, t Task) error {
	text, err := t.Statement()
	if err != nil {
		return err
	}
	if t.Method.Kind == Optimize {
		return f.optimize(ctx, t, text)
	}
	if _, err := f.sess.ExecContext(ctx, text); err != nil {
		return fmt.Errorf("alter %s: %w", t.name(), err)
	}
	return nil
}

// said are failures in the rows of OPTIMIZE, in English (the session's lc_messages). They carry no
// number, and SHOW WARNINGS after it is empty (tried on MySQL 9.7 and MariaDB 10.11).
var said = []struct {
	pattern *regexp.Regexp
	number  uint16
}{
	{regexp.MustCompile(`^Query execution was interrupted`), 1317},
	{regexp.MustCompile(`^Lock wait timeout exceeded`), 1205},
	{regexp.MustCompile(`^Deadlock found`), 1213},
	{regexp.MustCompile(`^Table '.*' doesn't exist`), 1146},
	{regexp.MustCompile(`^The table '.*' is full`), 1114},
}

// optimizeError is the error in the rows of OPTIMIZE. The first one counts: after it the server may
// call a table corrupt that it only could not open.
func optimizeError(bad []string) *Error {
	err := errors.New(strings.Join(bad, "; "))
	for _, s := range said {
		if s.pattern.MatchString(bad[0]) {
			return numbered(s.number, err)
		}
	}
	return &Error{Class: ClassBroken, Text: "OPTIMIZE did not succeed.", Advice: "CHECK TABLE tells whether the table is damaged; REPAIR TABLE mends it.", Err: err}
}

// optimize runs OPTIMIZE, which reports its failures as rows.
func (f *Fence) optimize(ctx context.Context, t Task, text string) error {
	rows, err := f.sess.QueryContext(ctx, text)
	if err != nil {
		return fmt.Errorf("optimize %s.%s: %w", t.Schema, t.Table, err)
	}
	defer func() { _ = rows.Close() }()
	var bad []string
	for rows.Next() {
		var table, op, kind, message string
		if err := rows.Scan(&table, &op, &kind, &message); err != nil {
			return fmt.Errorf("read the answer of optimize %s.%s: %w", t.Schema, t.Table, err)
		}
		if strings.EqualFold(kind, "error") || strings.EqualFold(kind, "warning") || kind == "status" && message == "Operation failed" {
			bad = append(bad, message)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("optimize %s.%s: %w", t.Schema, t.Table, err)
	}
	if len(bad) > 0 {
		return optimizeError(bad)
	}
	return nil
}
