package rebuild

import (
	"context"
	"fmt"
	"slices"

	"mysql-recycler/engine/dbconn"
)

// count counts the rows of the table, or of the partition that is rebuilt, on a session of its own, so
// that a connection that broke under the statement does not keep us from it. It can take minutes, so
// the end of ctx kills it like the rebuild itself.
func (f *Fence) count(ctx context.Context, t Task) (int64, error) {
	what := func(err error) error {
		return failure(fmt.Errorf("count the rows of %s: %w", t.name(), err))
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
	if t.Partition != "" {
		query += " PARTITION (" + dbconn.QuoteName(t.Partition) + ")"
	}
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
	rows := RowCheck{Before: *t.Mark.Rows}
	var why string
	if rows.After, why = f.countAgain(ctx, t); why != "" {
		res.NotChecked = "The rows were not compared: " + why
		return res, nil
	}
	res.Rows = &rows
	if rows.After != rows.Before {
		what := "table"
		if t.Partition != "" {
			what = "partition"
		}
		return res, &Error{Class: ClassRows, Text: fmt.Sprintf("The "+what+" had %d rows before the rebuild and has %d after it.", rows.Before, rows.After),
			Advice: "Take the server out of service and compare it with its source."}
	}
	return res, nil
}

// countAgain counts the rows while the applier is stopped, or says in words why it did not.
func (f *Fence) countAgain(ctx context.Context, t Task) (n int64, why string) {
	channels, err := appliers(ctx, f.srv)
	if err == nil && slices.ContainsFunc(channels, func(c channel) bool { return c.running }) {
		return 0, "replication was started again before they could be counted."
	}
	if err == nil {
		n, err = f.count(ctx, t)
	}
	switch code := dbconn.Code(err); {
	case err == nil:
		return n, ""
	case ctx.Err() != nil:
		return 0, "the job was stopped before they were counted again."
	case code != 0:
		return 0, fmt.Sprintf("counting them after the rebuild ended with error %d.", code)
	}
	return 0, "the server could not be asked after the rebuild."
}
