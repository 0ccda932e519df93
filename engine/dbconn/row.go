package dbconn

import (
	"database/sql"
	"fmt"
	"strconv"
)

// Row is one row by column name, for statements whose columns differ between versions
// (SHOW REPLICA STATUS has 57 to 60 of them).
type Row map[string]sql.NullString

// Text is a column's value, empty for NULL and for a column this version does not have.
func (r Row) Text(column string) string { return r[column].String }

// Int is a column as a number; ok is false for NULL, a missing column or anything else.
func (r Row) Int(column string) (int64, bool) {
	v, ok := r[column]
	if !ok || !v.Valid {
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
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		row := make(Row, len(columns))
		for i, c := range columns {
			row[c] = values[i]
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return out, nil
}
