package tablespace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

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
	cut    bool // not all of it was read in time
	stuck  bool // the server ended a statement: something lies in its way, such as deleted rows not purged
}

// stop notes that a statement was ended by the server, or not sent any more.
func (s *sample) stop(err error) {
	s.cut = true
	s.stuck = s.stuck || !errors.Is(err, errSpent)
}

// empty reports whether nothing was read.
func (s *sample) empty() bool {
	for _, st := range s.strata {
		if len(st.rows) > 0 {
			return false
		}
	}
	return true
}

// sampler reads records of one table.
type sampler struct {
	b      *budget
	t      Table
	l      *layout
	places int    // strata per partition
	pieces int    // pieces of the key whose rows are estimated, per partition
	each   int    // records per stratum
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
// records only. When the time is over it ends with what it has.
func (s *sampler) read(ctx context.Context, partition string) (*sample, error) {
	s.from = dbconn.QuoteName(s.t.Schema, s.t.Name)
	if partition != "" {
		s.from += " PARTITION (" + dbconn.QuoteName(partition) + ")"
	}
	s.list = s.expressions()
	s.rng = rand.New(rand.NewPCG(7, uint64(s.t.FileBytes))) // the same table gives the same sample
	for _, p := range s.l.paths() {
		out, err := s.along(ctx, p)
		if s.b.spent(err) {
			continue
		}
		if err != nil || out != nil && (!out.cut || !out.empty()) {
			return out, err
		}
	}
	got, err := s.records(ctx, "SELECT 0, "+s.list+" FROM "+s.from+fmt.Sprintf(" LIMIT %d", s.places*s.each))
	cut := s.b.spent(err)
	if err != nil && !cut {
		return nil, err
	}
	return &sample{strata: []stratum{{rows: got, weight: -1}}, blind: true, cut: cut}, nil
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
		end, err := s.values(ctx, query, args...)
		if err != nil {
			return axis{}, err
		}
		if len(end) == 0 {
			return axis{kind: axisNone}, nil
		}
		ends[i] = end[0]
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
		if err != nil && !s.b.spent(err) { // what was learnt so far may do
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
// appends both to out. few reports that the axis has only a few values. A place whose dive the
// server had to end is left out; records come before densities, because without them nothing is
// known.
func (s *sampler) strata(ctx context.Context, out *sample, p path, a axis, at spot) (few bool, err error) {
	at.pieces = max(4, min(at.pieces, int(a.span()/runOf))) // a short key is read whole at worst
	// From somewhere in the first half, so that something of the piece is left to measure.
	pieces, places := s.draw(at.pieces, 0.5), s.draw(at.places, 1)
	first := len(out.strata)
	if err := s.lengths(ctx, out, p, a, at, places); err != nil {
		return false, err
	}
	values := map[uint64]bool{}
	keysOnly := s.query(p, at, dbconn.QuoteName(at.column.name), runOf)
	rows := make([]float64, at.pieces)
	for k := range rows {
		place, value := a.at(pieces[k])
		end, _ := a.at(float64(k+1) / float64(at.pieces))
		keys, err := s.values(ctx, keysOnly, append(at.args[:len(at.args):len(at.args)], value)...)
		if s.b.spent(err) { // a piece that is not known makes the sum worthless
			out.blind = true
			out.stop(err)
			break
		}
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
		out.counts = append(out.counts, count{rows: rows[k], group: first})
	}
	for k := range at.places {
		for i := k * len(rows) / at.places; i < (k+1)*len(rows)/at.places; i++ {
			out.strata[first+k].weight += rows[i]
		}
	}
	return !out.cut && len(values) < 2*at.pieces, nil
}

// draw is a random place in each of n equal stretches of an axis, in their first part.
func (s *sampler) draw(n int, part float64) []float64 {
	out := make([]float64, n)
	for k := range out {
		out[k] = (float64(k) + s.rng.Float64()*part) / float64(n)
	}
	return out
}

// lengths reads the lengths of records at places spread over an axis, one stratum for each.
func (s *sampler) lengths(ctx context.Context, out *sample, p path, a axis, at spot, places []float64) error {
	const enough = 32 << 20 // bytes of long columns the server is made to read, per axis
	each, what := at.each, dbconn.QuoteName(at.column.name)+", "+s.list
	read := make([]stratum, len(places))
	for _, k := range scattered(len(places)) {
		_, value := a.at(places[k])
		got, err := s.records(ctx, s.query(p, at, what, each), append(at.args[:len(at.args):len(at.args)], value)...)
		if s.b.spent(err) {
			out.stop(err)
			each = max(2, each/4)
		} else if err != nil {
			return err
		}
		read[k].rows = got
		if bytes := long(got); len(got) > 0 && bytes > 0 {
			each = min(each, max(2, int(enough/int64(at.places)/(1+bytes/int64(len(got))))))
		}
	}
	out.strata = append(out.strata, read...)
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
