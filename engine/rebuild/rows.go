package rebuild

import (
	"context"
	"fmt"
	"slices"

	"mysql-recycler/engine/dbconn"
)

// count counts the rows on a session of its own, so that a connection that broke under the statement
// does not keep us from it. It can take minutes, so the end of ctx kills it like the rebuild itself.
func (f *Fence) count(ctx context.Context, t Task) (int64, error) {
	what := func(err error) error {
		return failure(fmt.Errorf("count the rows of %s.%s: %w", t.Schema, t.Table, err))
	}
	sess, err := f.srv.Session(ctx)
	if err != nil {
		return 0, what(err)
	}
	defer func() { _ = sess.Close() }()
	limit := "SET SESSION max_execution_time = 0" // a global limit would end it
	if f.srv.Version.Flavor == dbconn.MariaDB {
		limit = "SET SESSION max_statement_time = 0"
	}
	if _, err := sess.ExecContext(ctx, limit); err != nil && dbconn.Code(err) != 1193 { // 5.6 has none
		return 0, what(err)
	}
	var n int64
	query := "SELECT " + Tag(t.Job, t.Step) + " COUNT(*) FROM " + dbconn.QuoteName(t.Schema, t.Table)
	w := &watch{f: &Fence{srv: f.srv, sess: sess}, t: t, tell: func(Progress) {}, gauge: newGauge(f.srv, t, sess.ID),
		send: func(ctx context.Context) error { return sess.QueryRowContext(ctx, query).Scan(&n) }}
	w.t.Method.Kind = Alter // how it is killed
	if err := w.run(ctx); err != nil {
		return 0, what(err)
	}
	return n, nil
}

// recount counts the rows after a rebuild, with the applier still stopped, and compares them with
// those before it, which stand in the mark. The table is done whatever comes of it: a number that
// cannot be had is told in the Result.
func (f *Fence) recount(ctx context.Context, t Task, res Result) (Result, error) {
	if !t.CheckRows {
		return res, nil
	}
	if t.Mark.Rows == nil {
		res.NotChecked = "The rows were not compared: they were not counted before the rebuild."
		return res, nil
	}
	channels, err := appliers(ctx, f.srv)
	if err == nil && slices.ContainsFunc(channels, func(c channel) bool { return c.running }) {
		res.NotChecked = "The rows were not compared: replication was started again before they could be counted."
		return res, nil
	}
	rows := RowCheck{Before: *t.Mark.Rows}
	if err == nil {
		rows.After, err = f.count(ctx, t)
	}
	switch {
	case ctx.Err() != nil:
		res.NotChecked = "The rows were not compared: the job was stopped before they were counted again."
		return res, nil
	case err != nil:
		res.NotChecked = "The rows were not compared: counting them after the rebuild failed."
		return res, nil
	}
	res.Rows = &rows
	if rows.After != rows.Before {
		return res, &Error{Class: ClassRows, Text: fmt.Sprintf("The table had %d rows before the rebuild and has %d after it.", rows.Before, rows.After),
			Advice: "Take the server out of service and compare it with its source."}
	}
	return res, nil
}
