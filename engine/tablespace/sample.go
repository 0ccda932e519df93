package tablespace

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// stratum is one place in the key with the records found from there on.
type stratum struct {
	rows    []record
	density float64 // rows per step of the axis; negative when not measured
}

// record is the sampled row: the length of every column (-1: NULL) and of every index prefix.
type record struct {
	length []int64
	prefix []int64
}

// sample is what was read of one partition (or of a table without partitions).
type sample struct {
	strata  []stratum
	axis    axis
	sampled int
}

// sampler reads records of one table.
type sampler struct {
	q      dbconn.Querier
	t      Table
	l      *layout
	places int // strata per partition
	each   int // records per stratum
	until  time.Time
	prefix []part // index prefixes that need their own length
}

// expressions is the list of lengths to select. Fixed columns only need NULL or not.
func (s *sampler) expressions() []string {
	var out []string
	for _, c := range s.l.columns {
		name := dbconn.QuoteName(c.name)
		switch {
		case c.fixed >= 0 && c.null:
			out = append(out, "IF("+name+" IS NULL, -1, 0)")
		case c.fixed >= 0:
			out = append(out, "0")
		case c.json:
			out = append(out, "COALESCE(JSON_STORAGE_SIZE("+name+"), -1)")
		default:
			out = append(out, "COALESCE(OCTET_LENGTH("+name+"), -1)")
		}
	}
	for _, p := range s.prefix {
		out = append(out, fmt.Sprintf("COALESCE(OCTET_LENGTH(LEFT(%s, %d)), -1)", dbconn.QuoteName(p.column), p.prefix))
	}
	return out
}

// from is the table, or one partition of it.
func (s *sampler) from(partition string) string {
	from := dbconn.QuoteName(s.t.Schema, s.t.Name)
	if partition != "" {
		from += " PARTITION (" + dbconn.QuoteName(partition) + ")"
	}
	return from
}

// read samples one partition. Without a usable key it reads the first records only.
func (s *sampler) read(ctx context.Context, partition string) (*sample, error) {
	out := &sample{axis: axis{kind: axisNone}}
	list := strings.Join(s.expressions(), ", ")
	if s.l.cluster == nil {
		got, _, err := s.records(ctx, "SELECT 0, "+list+" FROM "+s.from(partition)+fmt.Sprintf(" LIMIT %d", s.places*s.each))
		if err != nil {
			return nil, err
		}
		out.strata = []stratum{{rows: got, density: -1}}
		out.sampled = len(got)
		return out, nil
	}
	key := s.l.cluster.parts[0].column
	i, _ := s.l.column(key)
	name := dbconn.QuoteName(key)
	hint := " FORCE INDEX (" + dbconn.QuoteName(s.l.cluster.name) + ")"
	var least, greatest sql.RawBytes
	if err := s.ends(ctx, name, partition, &least, &greatest, out, i); err != nil {
		return nil, err
	}
	query := "SELECT " + name + ", " + list + " FROM " + s.from(partition) + hint +
		" WHERE " + name + " >= ? ORDER BY " + name + fmt.Sprintf(" LIMIT %d", s.each)
	rng := rand.New(rand.NewPCG(7, uint64(s.t.FileBytes))) // the same table gives the same sample
	for k := range s.places {
		if k > 7 && time.Now().After(s.until) {
			break
		}
		at, value := out.axis.at((float64(k) + rng.Float64()) / float64(s.places))
		got, keys, err := s.records(ctx, query, value)
		if err != nil {
			return nil, err
		}
		end, _ := out.axis.at(float64(k+1) / float64(s.places))
		out.strata = append(out.strata, stratum{rows: got, density: out.density(at, end, keys, s.each)})
		out.sampled += len(got)
	}
	return out, nil
}

// ends finds the least and greatest key and makes the axis.
func (s *sampler) ends(ctx context.Context, name, partition string, least, greatest *sql.RawBytes, out *sample, i int) error {
	rows, err := s.q.QueryContext(ctx, "SELECT MIN("+name+"), MAX("+name+") FROM "+s.from(partition))
	if err != nil {
		return fmt.Errorf("find the ends of the key of %s: %w", s.t.Key(), err)
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		if err := rows.Scan(least, greatest); err != nil {
			return fmt.Errorf("find the ends of the key of %s: %w", s.t.Key(), err)
		}
		out.axis = newAxis(s.l.columns[i], *least, *greatest)
	}
	return rows.Err()
}

// density is rows per step of the axis, measured from a place to the last key read, or to the end
// of the stratum when fewer rows lie before it. (n-1)/distance is free of bias for keys missing at
// random and exact for keys without gaps.
func (s *sample) density(at, end uint64, keys [][]byte, each int) float64 {
	if !s.axis.measures() || end < at {
		return -1
	}
	within, last := 0, at
	for _, k := range keys {
		n, ok := s.axis.absolute(k)
		if !ok || n < at {
			return -1
		}
		if n > end {
			break
		}
		within, last = within+1, n
	}
	if within == each && last > at {
		return float64(within-1) / float64(last-at)
	}
	return float64(within) / float64(end-at+1) // both ends belong to it
}

// records runs one sampling query; the first column is the key.
func (s *sampler) records(ctx context.Context, query string, args ...any) ([]record, [][]byte, error) {
	rows, err := s.q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("sample %s: %w", s.t.Key(), err)
	}
	defer func() { _ = rows.Close() }()
	n := len(s.l.columns)
	var out []record
	var keys [][]byte
	for rows.Next() {
		values := make([]int64, n+len(s.prefix))
		var key []byte
		into := make([]any, 0, len(values)+1)
		into = append(into, &key)
		for i := range values {
			into = append(into, &values[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, nil, fmt.Errorf("sample %s: %w", s.t.Key(), err)
		}
		out = append(out, record{length: values[:n], prefix: values[n:]})
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("sample %s: %w", s.t.Key(), err)
	}
	return out, keys, nil
}

// rows is how many rows the densities of the strata add up to, and the relative standard error of
// that. ok is false when the key does not measure distances.
func (s *sample) rows() (n, spread float64, ok bool) {
	if len(s.strata) < 2 {
		return 0, 0, false
	}
	sum, squares := 0.0, 0.0
	for _, st := range s.strata {
		if st.density < 0 {
			return 0, 0, false
		}
		sum += st.density
		squares += st.density * st.density
	}
	if sum == 0 {
		return 0, 0, false
	}
	k := float64(len(s.strata))
	return sum / k * s.axis.span(), spreadOf(s.strata, sum/k), true
}
