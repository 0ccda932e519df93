package tablespace

import (
	"context"
	"encoding/binary"
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
}

// count is the number of rows of a piece of an axis, estimated from how close together its keys
// lie; pieces of one group lie side by side.
type count struct {
	rows  float64
	group int
}

// record is the sampled row: the length of every column (-1: NULL) and of every index prefix.
type record struct {
	length []int64
	prefix []int64
}

// sample is what was read of one partition (or of a table without partitions).
type sample struct {
	strata []stratum
	counts []count
	blind  bool // a key does not measure distances, so that counts say nothing
}

// sampler reads records of one table.
type sampler struct {
	q      dbconn.Querier
	t      Table
	l      *layout
	places int // strata per partition
	pieces int // pieces of the key whose rows are estimated, per partition
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
	got, err := s.records(ctx, "SELECT 0, "+s.list+" FROM "+s.from+fmt.Sprintf(" LIMIT %d", s.places*s.each))
	if err != nil {
		return nil, err
	}
	return &sample{strata: []stratum{{rows: got, weight: -1}}, blind: true}, nil
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
	few, err := s.strata(ctx, out, p, a, spot{column: p.first, places: s.places, pieces: s.pieces, each: each})
	if err != nil {
		return nil, err
	}
	// A key that begins with a few values (a tenant, a type) tells nothing by its first column.
	if few && p.second != nil {
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
		at, _ := bytes.at((float64(i) + 0.5) / leaps)
		values, err := s.values(ctx, query, printable(binary.BigEndian.AppendUint64(nil, at)))
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

// spot is a stretch of the key to sample: a column, under a condition on those before it.
type spot struct {
	column column
	where  string
	args   []any
	places int
	pieces int
	each   int
}

// query reads something from a place of the key on.
func (s *sampler) query(p path, at spot, what string, limit int) string {
	and := " WHERE "
	if at.where != "" {
		and = at.where + " AND "
	}
	name := dbconn.QuoteName(at.column.name)
	return "SELECT " + what + " FROM " + s.from + " FORCE INDEX (" + dbconn.QuoteName(p.index) + ")" +
		and + name + " >= ? ORDER BY " + name + fmt.Sprintf(" LIMIT %d", limit)
}

// runOf is how many keys are read to estimate the density of a piece.
const runOf = 100

// strata estimates the rows of the pieces of an axis, reads records at places spread over it and
// appends both to out. few reports that the axis has only a few values.
func (s *sampler) strata(ctx context.Context, out *sample, p path, a axis, at spot) (few bool, err error) {
	name := dbconn.QuoteName(at.column.name)
	keysOnly := s.query(p, at, name, runOf)
	values := map[uint64]bool{}
	at.pieces = max(4, min(at.pieces, int(a.span()/runOf))) // a short key is read whole at worst
	rows := make([]float64, at.pieces)
	for k := range rows {
		// From somewhere in the first half, so that something of the piece is left to measure.
		place, value := a.at((float64(k) + s.rng.Float64()/2) / float64(at.pieces))
		end, _ := a.at(float64(k+1) / float64(at.pieces))
		keys, err := s.values(ctx, keysOnly, append(at.args[:len(at.args):len(at.args)], value)...)
		if err != nil {
			return false, err
		}
		for _, key := range keys {
			if n, ok := a.absolute(key); ok {
				values[n] = true
			}
		}
		d := density(a, place, end, keys)
		out.blind = out.blind || d < 0
		rows[k] = d * a.span() / float64(at.pieces)
		out.counts = append(out.counts, count{rows: rows[k], group: len(out.strata)})
	}
	if err := s.lengths(ctx, out, p, a, at, rows); err != nil {
		return false, err
	}
	return len(values) < 2*at.pieces, nil
}

// lengths reads the lengths of records at places spread over an axis.
func (s *sampler) lengths(ctx context.Context, out *sample, p path, a axis, at spot, rows []float64) error {
	const enough = 32 << 20 // bytes of long columns the server is made to read, per axis
	each, what := at.each, dbconn.QuoteName(at.column.name)+", "+s.list
	for k := range at.places {
		if k > 7 && time.Now().After(s.until) {
			break
		}
		_, value := a.at((float64(k) + s.rng.Float64()) / float64(at.places))
		got, err := s.records(ctx, s.query(p, at, what, each), append(at.args[:len(at.args):len(at.args)], value)...)
		if err != nil {
			return err
		}
		weight := 0.0
		for i := k * len(rows) / at.places; i < (k+1)*len(rows)/at.places; i++ {
			weight += rows[i]
		}
		out.strata = append(out.strata, stratum{rows: got, weight: weight})
		if read := long(got); len(got) > 0 && read > 0 {
			each = min(each, max(2, int(enough/int64(at.places)/(1+read/int64(len(got))))))
		}
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
func density(a axis, at, end uint64, keys [][]byte) float64 {
	if !a.measures() || end < at {
		return -1
	}
	within, last := 0, at
	for _, k := range keys {
		n, ok := a.absolute(k)
		if !ok {
			return -1
		}
		n = max(n, at) // a place between two values is rounded down when it is written as one
		if n > end {
			break
		}
		within, last = within+1, n
	}
	if within == runOf && last > at {
		return float64(within-1) / float64(last-at)
	}
	return float64(within) / float64(end-at+1) // both ends belong to it
}
