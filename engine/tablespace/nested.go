package tablespace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mysql-recycler/engine/dbconn"
)

// isNoRows reports whether a query found nothing.
func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// manyValues is how many different values of the first column are walked; more are left to the
// server's statistics.
const manyValues = 64

// nested samples a key whose first column has few values: it walks those values and spreads the
// places over the second column under each. coarse is what the first column gave; it is kept when
// there are too many values.
func (s *sampler) nested(ctx context.Context, p path, coarse *sample) (*sample, error) {
	values, all, err := s.distinct(ctx, p)
	if err != nil || len(values) == 0 {
		return coarse, err
	}
	coarse.blind = true // what was counted are stretches of a few values
	name := dbconn.QuoteName(p.first.name)
	out := &sample{}
	for _, v := range values {
		where, args := " WHERE "+name+" = ?", []any{v}
		a, err := s.axis(ctx, p, *p.second, where, args)
		switch {
		case s.b.spent(err): // the values not reached are in the coarse sample
			coarse.stop(err)
			return coarse, nil
		case err != nil:
			return nil, err
		case !a.usable():
			return coarse, nil
		}
		at := spot{column: *p.second, where: where, args: args, each: s.each,
			places: max(4, s.places/len(values)), pieces: max(8, s.pieces/len(values))}
		if _, err := s.strata(ctx, out, p, a, at); err != nil {
			return nil, err
		}
		if out.cut {
			coarse.cut, coarse.stuck = true, out.stuck || coarse.stuck
			return coarse, nil
		}
	}
	out.blind = out.blind || !all
	return out, nil
}

// distinct walks the values of the first column with one dive into the index for each.
func (s *sampler) distinct(ctx context.Context, p path) (values []any, all bool, err error) {
	name := dbconn.QuoteName(p.first.name)
	base := "SELECT " + name + " FROM " + s.from + " FORCE INDEX (" + dbconn.QuoteName(p.index) + ")"
	query, args := base+" ORDER BY "+name+" LIMIT 1", []any{}
	for range manyValues {
		next, err := s.values(ctx, query, args...)
		if s.b.spent(err) {
			return values, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if len(next) == 0 {
			return values, true, nil
		}
		raw := next[0]
		var value any = string(raw)
		if kindOf(p.first.full) == axisBytes {
			value = raw
		}
		values = append(values, value)
		query, args = base+" WHERE "+name+" > ? ORDER BY "+name+" LIMIT 1", []any{value}
	}
	return values, false, nil
}

// values reads single values; nothing when the time is over.
func (s *sampler) values(ctx context.Context, query string, args ...any) ([][]byte, error) {
	rows, err := s.b.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sample the key of %s: %w", s.t.Key(), err)
	}
	defer func() { _ = rows.Close() }()
	var out [][]byte
	for rows.Next() {
		var v []byte
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("sample the key of %s: %w", s.t.Key(), err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sample the key of %s: %w", s.t.Key(), err)
	}
	return out, nil
}

// records runs one sampling query; the first column is the key. With an error it returns what was
// read before.
func (s *sampler) records(ctx context.Context, query string, args ...any) ([]record, error) {
	rows, err := s.b.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", s.t.Key(), err)
	}
	defer func() { _ = rows.Close() }()
	n := len(s.l.columns)
	var out []record
	for rows.Next() {
		values := make([]int64, n+len(s.prefix))
		var key sql.RawBytes
		into := make([]any, 0, len(values)+1)
		into = append(into, &key)
		for i := range values {
			into = append(into, &values[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("sample %s: %w", s.t.Key(), err)
		}
		out = append(out, record{length: values[:n], prefix: values[n:]})
	}
	if err := rows.Err(); err != nil {
		return out, fmt.Errorf("sample %s: %w", s.t.Key(), err)
	}
	return out, nil
}
