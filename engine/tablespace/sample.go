package tablespace

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// stratum is one place in the key with the records found from there on.
type stratum struct {
	rows   []record
	weight float64 // rows the stratum stands for; negative when not measured
	group  int     // strata of one group lie side by side on one axis
}

// record is the sampled row: the length of every column (-1: NULL) and of every index prefix.
type record struct {
	length []int64
	prefix []int64
}

// sample is what was read of one partition (or of a table without partitions).
type sample struct {
	strata []stratum
	bytes  int64 // of the values that were measured, a bound of what the server had to read
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
	from   string // table and partition
	list   string // of lengths to select
	rng    *rand.Rand
}

// expressions is the list of lengths to select. Fixed columns only need NULL or not.
func (s *sampler) expressions() string {
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
	return strings.Join(out, ", ")
}

// path is an index the sampler can walk along, with the columns it can order by. One that is not
// clustered costs a page read per record.
type path struct {
	index     string
	first     column
	second    *column
	clustered bool
}

// paths are the indexes to sample along, best first: the clustered one, then secondary ones over
// a whole column that cannot be NULL and whose order can be computed with.
func (l *layout) paths() []path {
	var out []path
	if l.cluster != nil {
		i, _ := l.column(l.cluster.parts[0].column)
		p := path{index: l.cluster.name, first: l.columns[i], clustered: true}
		if len(l.cluster.parts) > 1 {
			j, _ := l.column(l.cluster.parts[1].column)
			p.second = &l.columns[j]
		}
		if l.cluster.parts[0].prefix == 0 && kindOf(p.first.full) != axisNone {
			out = append(out, p)
		}
	}
	for _, ix := range l.secondary {
		i, ok := l.column(ix.parts[0].column)
		if !ok || ix.opaque || ix.kind != "BTREE" || ix.parts[0].prefix > 0 || l.columns[i].null {
			continue
		}
		if k := kindOf(l.columns[i].full); k != axisNone && k != axisText {
			out = append(out, path{index: ix.name, first: l.columns[i]})
		}
	}
	return out
}

// read samples one partition, empty for the whole table. Without a usable index it reads the first
// records only.
func (s *sampler) read(ctx context.Context, partition string) (*sample, error) {
	s.from = dbconn.QuoteName(s.t.Schema, s.t.Name)
	if partition != "" {
		s.from += " PARTITION (" + dbconn.QuoteName(partition) + ")"
	}
	s.list = s.expressions()
	s.rng = rand.New(rand.NewPCG(7, uint64(s.t.FileBytes))) // the same table gives the same sample
	for _, p := range s.l.paths() {
		out, err := s.along(ctx, p)
		if err != nil || out != nil {
			return out, err
		}
	}
	got, _, err := s.records(ctx, "SELECT 0, "+s.list+" FROM "+s.from+fmt.Sprintf(" LIMIT %d", s.places*s.each))
	if err != nil {
		return nil, err
	}
	return &sample{strata: []stratum{{rows: got, weight: -1}}}, nil
}

// along samples along one index; nil when its key turns out not to be usable.
func (s *sampler) along(ctx context.Context, p path) (*sample, error) {
	a, err := s.axis(ctx, p, p.first, "", nil)
	if err != nil || !a.usable() {
		return nil, err
	}
	each := s.each
	if !p.clustered {
		each = max(4, each/4)
	}
	out := &sample{}
	values := map[uint64]bool{}
	err = s.strata(ctx, out, p, a, p.first, "", nil, s.places, each, func(keys [][]byte) {
		for _, k := range keys {
			if n, ok := a.absolute(k); ok {
				values[n] = true
			}
		}
	})
	if err != nil {
		return nil, err
	}
	// A key that begins with a few values (a tenant, a type) tells nothing by its first column.
	if p.second != nil && len(values) < s.places*2 && a.span() > 0 {
		return s.nested(ctx, p, out)
	}
	return out, nil
}

// axis finds the ends of a column, under a condition on the columns before it.
func (s *sampler) axis(ctx context.Context, p path, c column, where string, args []any) (axis, error) {
	name := dbconn.QuoteName(c.name)
	hint := " FORCE INDEX (" + dbconn.QuoteName(p.index) + ")"
	var ends [2][]byte
	for i, order := range []string{"", " DESC"} {
		query := "SELECT " + name + " FROM " + s.from + hint + where + " ORDER BY " + name + order + " LIMIT 1"
		if err := s.q.QueryRowContext(ctx, query, args...).Scan(&ends[i]); err != nil {
			if isNoRows(err) {
				return axis{kind: axisNone}, nil
			}
			return axis{}, fmt.Errorf("find the ends of the key of %s: %w", s.t.Key(), err)
		}
	}
	a := newAxis(c, ends[0], ends[1])
	if a.kind == axisText {
		return s.learnText(ctx, p, c, ends)
	}
	return a, nil
}

// learnText walks up a text key in leaps to learn its alphabet: each leap reads a few values and
// jumps to a place a byte further on.
func (s *sampler) learnText(ctx context.Context, p path, c column, ends [2][]byte) (axis, error) {
	const leaps, each = 48, 24
	name := dbconn.QuoteName(c.name)
	query := "SELECT " + name + " FROM " + s.from + " FORCE INDEX (" + dbconn.QuoteName(p.index) + ") WHERE " + name +
		" >= ? ORDER BY " + name + fmt.Sprintf(" LIMIT %d", each)
	groups := [][][]byte{{ends[0], ends[1]}}
	bytes := axis{kind: axisBytes}.between(ends[0], ends[1])
	if !bytes.usable() {
		return bytes, nil
	}
	for i := range leaps {
		_, at := bytes.at((float64(i) + 0.5) / leaps)
		values, err := s.values(ctx, query, printable(at.([]byte)))
		if err != nil {
			return axis{}, err
		}
		if len(values) > 0 {
			groups = append(groups, values)
		}
	}
	text, ok := learn(groups)
	if !ok {
		return axis{kind: axisNone}, nil
	}
	return axis{kind: axisText, text: text}.between(ends[0], ends[1]), nil
}

// printable makes bytes legal in every character set.
func printable(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = min(max(c, '0'), 'z')
	}
	return string(out)
}

// strata reads places evenly spread over an axis and appends them to out.
func (s *sampler) strata(ctx context.Context, out *sample, p path, a axis, c column, where string, args []any, places, each int, seen func([][]byte)) error {
	name := dbconn.QuoteName(c.name)
	and := " WHERE "
	if where != "" {
		and = where + " AND "
	}
	query := "SELECT " + name + ", " + s.list + " FROM " + s.from + " FORCE INDEX (" + dbconn.QuoteName(p.index) + ")" +
		and + name + " >= ? ORDER BY " + name + fmt.Sprintf(" LIMIT %d", each)
	group := len(out.strata)
	const enough = 64 << 20 // bytes of long columns the server was made to read
	first := len(out.strata)
	for k := range places {
		if k > 7 && (time.Now().After(s.until) || out.bytes > enough) {
			out.strata = out.strata[:first] // the rest of the axis is unknown; start over, coarser
			return s.strata(ctx, out, p, a, c, where, args, 8, max(2, each/4), seen)
		}
		at, value := a.at((float64(k) + s.rng.Float64()) / float64(places))
		end, _ := a.at(float64(k+1) / float64(places))
		got, keys, err := s.records(ctx, query, append(args[:len(args):len(args)], value)...)
		if err != nil {
			return err
		}
		if seen != nil {
			seen(keys)
		}
		weight := density(a, at, end, keys, each)
		if weight >= 0 {
			weight *= a.span() / float64(places)
		}
		out.strata = append(out.strata, stratum{rows: got, weight: weight, group: group})
		out.bytes += long(got)
	}
	return nil
}

// long is the bytes of sampled values.
func long(rows []record) int64 {
	sum := int64(0)
	for _, r := range rows {
		for _, n := range r.length {
			sum += max(0, n)
		}
	}
	return sum
}

// density is rows per step of an axis, measured from a place to the last key read, or to the end
// of the stratum when fewer rows lie before it. (n-1)/distance is free of bias for keys missing at
// random and exact for keys without gaps.
func density(a axis, at, end uint64, keys [][]byte, each int) float64 {
	if !a.measures() || end <= at {
		return -1
	}
	within, last := 0, at
	for _, k := range keys {
		n, ok := a.absolute(k)
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
	return float64(within) / float64(end-at)
}
