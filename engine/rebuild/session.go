package rebuild

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// seen is what the executing session says of itself immediately before the statement.
type seen struct {
	connection uint64
	logging    bool // sql_log_bin
	readOnly   bool // of the server
}

// readBackSQL is asked on the executing session; a VIP or proxy that moved us would show here.
const readBackSQL = "SELECT CONNECTION_ID(), @@session.sql_log_bin, @@global.read_only"

// readBack asks the session.
func (f *Fence) readBack(ctx context.Context) (seen, error) {
	var s seen
	if err := f.sess.QueryRowContext(ctx, readBackSQL).Scan(&s.connection, &s.logging, &s.readOnly); err != nil {
		return s, fmt.Errorf("read back the session's settings: %w", err)
	}
	return s, nil
}

// check compares what is true now with what the mode needs and with what was true before.
func (s seen) check(t Task, connection uint64, before seen) error {
	switch {
	case s.connection != connection:
		return &Error{Class: ClassLost, Text: "The connection was moved to another one under way; nothing was done.",
			Advice: "Connect to the server itself, not through a proxy."}
	case s.logging != (t.Mode == BinlogOn):
		return &Error{Class: ClassBinlog, Text: "The server did not take over sql_log_bin; nothing was done.",
			Advice: "The account needs SESSION_VARIABLES_ADMIN (BINLOG ADMIN on MariaDB, SUPER before 8.0)."}
	case before.readOnly && !s.readOnly:
		return &Error{Class: ClassPromoted, Text: "The server became writable while the rebuild was prepared; nothing was done.",
			Advice: "It was probably promoted. Discover again."}
	}
	return nil
}

// relaxed are the parts of sql_mode that make an ALTER refuse rows or defaults it does not change:
// a column with DEFAULT '0000-00-00' was legal when the table was made.
var relaxed = []string{"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE",
	"ERROR_FOR_DIVISION_BY_ZERO", "TRADITIONAL"}

// prepare sets the session up for the statement and reads back what counts.
func (f *Fence) prepare(ctx context.Context, t Task) (seen, error) {
	var mode string
	if err := f.sess.QueryRowContext(ctx, "SELECT @@session.sql_mode").Scan(&mode); err != nil {
		return seen{}, failure(fmt.Errorf("read sql_mode: %w", err))
	}
	parts := slices.DeleteFunc(strings.Split(mode, ","), func(p string) bool { return slices.Contains(relaxed, p) })
	logging := 0
	if t.Mode == BinlogOn {
		logging = 1
	}
	settings := []string{
		fmt.Sprintf("sql_log_bin = %d, lock_wait_timeout = %d, innodb_lock_wait_timeout = %d", logging, t.lockWait(), t.lockWait()),
		"foreign_key_checks = 1, sql_mode = '" + strings.Join(parts, ",") + "'",
	}
	if f.srv.Version.Flavor == dbconn.MariaDB {
		settings = append(settings, "max_statement_time = 0") // a global one would kill the ALTER
	}
	if t.Method.Kind == Optimize {
		settings = append(settings, "lc_messages = 'en_US'") // its rows are told apart by their text
	}
	if _, err := f.sess.ExecContext(ctx, "SET SESSION "+strings.Join(settings, ", ")); err != nil {
		return seen{}, failure(fmt.Errorf("prepare the session: %w", err))
	}
	now, err := f.readBack(ctx)
	if err != nil {
		return now, failure(err)
	}
	return now, now.check(t, f.sess.ID, now)
}
