package tablespace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// errSpent says that the time of a prediction is over; what was learnt until then is used.
var errSpent = errors.New("the time of the prediction is over")

// leastTime is not worth a statement.
const leastTime = 2 * time.Millisecond

// budget reads while its time lasts. The server itself ends each statement when the time is over:
// one that the client walks away from would run on, and a dive into a key that meets millions of
// rows deleted but not purged takes seconds. MySQL before 5.7.8 and MariaDB before 10.1.2 cannot
// bound a statement; there only nothing more is sent.
type budget struct {
	q     dbconn.Querier
	v     dbconn.Version
	until time.Time
	one   time.Duration // of one statement at most; 0: all that is left
}

var _ dbconn.Querier = (*budget)(nil)

// left is what the next statement may take; 0 when the time is over.
func (b *budget) left() time.Duration {
	left := time.Until(b.until)
	if left < leastTime {
		return 0
	}
	if b.one > 0 {
		left = min(left, max(b.one, leastTime))
	}
	return left
}

// part is a budget of its own inside this one.
func (b *budget) part(of, one time.Duration) *budget {
	out := *b
	out.one = one
	if until := time.Now().Add(of); until.Before(b.until) {
		out.until = until
	}
	return &out
}

// QueryContext implements dbconn.Querier.
func (b *budget) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	left := b.left()
	if left == 0 {
		return nil, errSpent
	}
	return b.q.QueryContext(ctx, limited(b.v, query, left), args...)
}

// QueryRowContext implements dbconn.Querier. A row cannot hold an error of ours: when the time is
// over it holds that of a context that has ended, and nothing is sent.
func (b *budget) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	left := b.left()
	if left == 0 {
		over, cancel := context.WithTimeout(ctx, 0)
		defer cancel()
		return b.q.QueryRowContext(over, query, args...)
	}
	return b.q.QueryRowContext(ctx, limited(b.v, query, left), args...)
}

// spent reports whether an error means that the time is over: the server ended the statement (3024
// ER_QUERY_TIMEOUT, MariaDB's 1969 ER_STATEMENT_TIMEOUT, or 1317 ER_QUERY_INTERRUPTED by whoever
// found it too long), or it was not sent any more.
func (b *budget) spent(err error) bool {
	switch dbconn.Code(err) {
	case 3024, 1969, 1317:
		return true
	}
	return errors.Is(err, errSpent) || errors.Is(err, context.DeadlineExceeded) && b.left() == 0
}

// limited is a SELECT that the server ends by itself after a time.
// https://dev.mysql.com/doc/refman/8.4/en/optimizer-hints.html#optimizer-hints-execution-time
// https://mariadb.com/kb/en/set-statement/
func limited(v dbconn.Version, query string, after time.Duration) string {
	switch {
	case v.Flavor == dbconn.MariaDB && v.AtLeast(10, 1, 2):
		return fmt.Sprintf("SET STATEMENT max_statement_time=%.3f FOR %s", after.Seconds(), query)
	case v.Flavor == dbconn.MySQL && v.AtLeast(5, 7, 8):
		return fmt.Sprintf("SELECT /*+ MAX_EXECUTION_TIME(%d) */%s", after.Milliseconds(), strings.TrimPrefix(query, "SELECT"))
	}
	return query
}

// scattered is the numbers below n in an order whose every beginning lies all over them, so that
// work that is cut short has not seen one end only: 0, the middle, the quarters, …
func scattered(n int) []int {
	out := make([]int, 0, n)
	bits := 0
	for 1<<bits < n {
		bits++
	}
	for i := range 1 << bits {
		at := 0
		for b := range bits {
			at |= i >> b & 1 << (bits - 1 - b)
		}
		if at < n {
			out = append(out, at)
		}
	}
	return out
}
