package dbconn

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
)

// Row is one row by column name, for statements whose columns differ between versions
// (SHOW REPLICA STATUS has 57 to 60 of them). The names are shared by all rows of a result; looking
// one up goes through them, which is cheaper than a map per row for the few that are asked for.
type Row struct {
	columns []string
	values  []sql.NullString
}

// value is a column's value; NULL for a column this version does not have. Of two columns with one
// name the last counts.
func (r Row) value(column string) sql.NullString {
	for n, c := range slices.Backward(r.columns) {
		if c == column {
			return r.values[n]
		}
	}
	return sql.NullString{}
}

// Text is a column's value, empty for NULL and for a column this version does not have.
func (r Row) Text(column string) string { return r.value(column).String }

// Int is a column as a number; ok is false for NULL, a missing column or anything else.
func (r Row) Int(column string) (int64, bool) {
	v := r.value(column)
	if !v.Valid {
		return 0, false
	}
	n, err := strconv.ParseInt(v.String, 10, 64)
	return n, err == nil
}

// ReadRows reads the rows of the current result set to the end. It does not close them.
func ReadRows(rows *sql.Rows) ([]Row, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	var out []Row
	into := make([]any, len(columns))
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		out = append(out, Row{columns, values})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return out, nil
}
