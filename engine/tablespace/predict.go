package tablespace

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"mysql-recycler/engine/dbconn"
)

// PredictOptions bound the cost of a prediction.
type PredictOptions struct {
	// ExactRows counts the rows with COUNT(*) while the budget lasts. It reads a whole index.
	ExactRows bool
	// Budget bounds the time of one prediction: no statement is sent after it, and the server ends by
	// itself what runs then. Defaults to 5 s.
	Budget time.Duration
}

// withDefaults fills in what is not given.
func (o PredictOptions) withDefaults() PredictOptions {
	if o.Budget <= 0 {
		o.Budget = 5 * time.Second
	}
	return o
}

// Predict tells how big a table will be after a rebuild. It samples at most a few thousand
// records; see the package comment for the method and what bounds it. A missing table is ErrGone.
func Predict(ctx context.Context, q dbconn.Querier, v dbconn.Version, t Table, o PredictOptions) (Prediction, error) {
	o = o.withDefaults()
	if t.Engine != "InnoDB" {
		return predictFreeList(t), nil
	}
	if t.Space != SpaceOwn {
		return Prediction{Bytes: t.FileBytes, Low: t.FileBytes, High: t.FileBytes, How: HowStatistics,
			Note: "it lives in a shared tablespace, which does not shrink"}, nil
	}
	p := &predictor{b: &budget{q: q, v: v, until: time.Now().Add(o.Budget)}, v: v, t: t, o: o}
	err := p.prepare(ctx)
	var units []unit
	var sizes []partSize
	if err == nil {
		units, err = p.units(ctx)
	}
	if err == nil {
		if sizes, err = p.sizes(ctx); p.b.spent(err) && ctx.Err() == nil {
			err = nil // then nothing is told of single partitions
		}
	}
	if err != nil {
		if p.b.spent(err) && ctx.Err() == nil {
			return unknown(t), nil
		}
		return Prediction{}, err
	}
	return p.run(ctx, units, sizes)
}

// predictFreeList is for MyISAM and Aria, whose free list tells the truth: DATA_FREE is what
// deleted records left in the data file.
func predictFreeList(t Table) Prediction {
	left := max(0, t.FileBytes-t.DataFree)
	return Prediction{Bytes: left, Low: left - left/10, High: min(t.FileBytes, left+left/20), How: HowStatistics}
}

// predictor holds what one prediction has learnt.
type predictor struct {
	b      *budget
	v      dbconn.Version
	t      Table
	o      PredictOptions
	l      *layout
	grow   growth
	page   pageSize // in memory; that of the file is smaller when it is compressed
	fts    int64    // bytes of full-text indexes now
	lob    lobPages
	prefix map[part]int
	stats  statistics
}

// prepare reads the layout, the server's growth rules and the statistics.
func (p *predictor) prepare(ctx context.Context) error {
	var err error
	if p.l, err = readLayout(ctx, p.b, p.v, p.t); err != nil {
		return err
	}
	if p.grow, p.page, err = readGrowth(ctx, p.b, p.v, p.t); err != nil {
		return err
	}
	if p.t.Has(FullText) {
		if p.fts, err = fullTextBytes(ctx, p.b, p.v, p.t); err != nil {
			return err
		}
	}
	p.lob = oldLob(p.page)
	if p.v.Flavor == dbconn.MySQL && p.v.AtLeast(8, 0, 0) {
		p.lob = newLob(p.page)
	}
	p.prefix = map[part]int{}
	for _, ix := range p.l.secondary {
		for _, part := range ix.parts {
			if i, ok := p.l.column(part.column); ok && part.prefix > 0 && p.l.columns[i].fixed < 0 {
				if _, known := p.prefix[part]; !known {
					p.prefix[part] = len(p.prefix)
				}
			}
		}
	}
	p.stats, err = readStatistics(ctx, p.b, p.t)
	return err
}

// A partition gets its share of the time, but not so little that nothing can be read: of very many
// partitions at most sharesOf are read. One statement gets a part of the time too, so that one bad
// place in a key does not use up all of it.
const (
	sharesOf     = 64
	statementsOf = 8
)

// run predicts partition by partition and adds up. Those that the time was too short for are taken
// to be like the others.
func (p *predictor) run(ctx context.Context, units []unit, sizes []partSize) (Prediction, error) {
	s := p.sampler(len(units))
	total := Prediction{How: HowCount, RowsExact: true}
	var read []reading
	var rest []unit
	for i, at := range scattered(len(units)) {
		u := units[at]
		share := max(p.b.left()/time.Duration(len(units)-i), p.o.Budget/sharesOf)
		s.b = p.b.part(share, p.o.Budget/statementsOf)
		got, err := s.read(ctx, u.name)
		if err != nil {
			return Prediction{}, err
		}
		if got.cut && got.empty() {
			rest = append(rest, u)
			continue
		}
		n, err := p.rows(ctx, p.b.part(share, 0), u, got)
		if err != nil {
			return Prediction{}, err
		}
		r := reading{unit: u, shape: p.shape(got), rows: n}
		read = append(read, r)
		total.add(p.size(u, r.shape, r.rows))
	}
	switch {
	case ctx.Err() != nil: // then nobody waits for a guess
		return Prediction{}, context.Cause(ctx)
	case len(read) == 0:
		return p.unsampled(units), nil
	case len(rest) > 0:
		total.add(p.alike(rest, read))
	}
	total.Parts, total.PartsOf = p.parts(sizes, read)
	return total, nil
}

// sampler reads so many partitions.
func (p *predictor) sampler(units int) *sampler {
	s := &sampler{b: p.b, t: p.t, l: p.l, each: 40, places: max(4, 64/units), pieces: max(16, 192/units), prefix: make([]part, len(p.prefix))}
	for part, at := range p.prefix {
		s.prefix[at] = part
	}
	return s
}

// add adds what is predicted of another tablespace of the table. It is as certain as the least
// certain part.
func (p *Prediction) add(one Prediction) {
	p.Bytes += one.Bytes
	p.Low += one.Low
	p.High += one.High
	p.RowsExact = p.RowsExact && one.RowsExact
	if worse(one.How, p.How) {
		p.How = one.How
	}
	if one.Note != "" {
		p.Note = one.Note
	}
}

// worse reports whether way a is less certain than way b.
func worse(a, b string) bool {
	order := map[string]int{HowCount: 0, HowSampled: 1, HowStatistics: 2, HowUsedPages: 3}
	return order[a] > order[b]
}

// The range is this many standard errors wide to each side, and no error is taken to be smaller
// than leastSpread: neighbours in a key are alike, and a sample of neighbours thinks too well of
// itself.
const (
	sigmas      = 2.5
	leastSpread = 0.005
)

// size predicts one tablespace from what its rows take and how many they are.
func (p *predictor) size(u unit, shape shape, n counted) Prediction {
	spread := sigmas * math.Hypot(math.Hypot(n.spread, shape.spread), leastSpread)
	least := max(0, 1-spread)
	if n.note != "" { // what statistics count may be gone
		least = 0
	}
	out := Prediction{How: n.how, RowsExact: n.how == HowCount, Note: n.note}
	out.Bytes = p.grow.file(p.segments(shape, n.rows, u, middling))
	out.Low = p.grow.file(p.segments(shape, n.rows*least, u, packed))
	out.High = p.grow.file(p.segments(shape, n.rows*(1+spread), u, loose))
	p.bound(&out, shape)
	return out
}

// bound widens a prediction by what cannot be sampled, and says so.
func (p *predictor) bound(out *Prediction, s shape) {
	switch {
	case p.t.Has(Compressed):
		// At best every page compresses into its block. How many do not, nobody tells per table;
		// the pages the table has now are what it takes at worst.
		out.High = max(out.Bytes, min(2*out.Bytes, p.t.FileBytes))
		if s.lob > 0 {
			out.Low /= 4
		}
		out.How, out.Note = HowUsedPages, "how well its pages compress is only known after the rebuild"
	case p.t.Has(PageCompressed):
		out.Low, out.High = 0, max(out.Bytes, p.t.FileBytes)
		out.Bytes = min(out.Bytes, p.t.FileBytes)
		out.How, out.Note = HowUsedPages, "how well its pages compress is only known after the rebuild"
	case slices.ContainsFunc(p.l.columns, func(c column) bool { return c.packed }):
		out.Low, out.High = out.Low/4, max(out.High, p.t.FileBytes)
		out.How, out.Note = HowUsedPages, "how well its columns compress is not known"
	case p.fts > 0:
		// Deleted documents stay in a full-text index until it is built anew, and one that grew
		// insert by insert is several times bigger than one built at once.
		out.Bytes += p.fts / 4
		out.High += p.fts
		out.How, out.Note = HowUsedPages, "the size of its full-text index is only known after the rebuild"
	case p.t.Has(Spatial) || p.t.Has(Functional):
		out.How, out.Note = HowUsedPages, "the size of some of its indexes is taken from the pages they use now"
	}
}

// guess is how full the pages of an index are that cannot be sampled.
type guess float64

// Guesses of the share of the pages in use now that a rebuilt index takes.
const (
	packed   guess = 0.45
	middling guess = 0.75
	loose    guess = 1
)

// segments are the pages of every segment of the new tablespace, for a number of rows.
func (p *predictor) segments(s shape, rows float64, u unit, g guess) []float64 {
	leaf := s.leaf * rows
	room := p.page.room(p.l.redundant)
	out := []float64{leaf + s.lob*rows, tree(leaf, compactHeader+s.key+4, room-p.spare())}
	for i, ix := range p.l.secondary {
		switch {
		case ix.kind == "FULLTEXT":
			continue
		case ix.opaque || ix.kind == "SPATIAL":
			out = append(out, p.stats.pages(u, ix.name)*float64(g), 1)
			continue
		}
		leaf := s.secondary[i].leaf * rows
		out = append(out, leaf, tree(leaf, s.secondary[i].size+4, room))
	}
	if p.l.docID {
		leaf := rows * (compactHeader + 8 + s.key) / room
		out = append(out, leaf, tree(leaf, compactHeader+12+s.key, room))
	}
	return out
}

// spare is what the bulk load leaves free on a clustered page; nothing on a compressed one.
func (p *predictor) spare() float64 {
	if p.t.Has(Compressed) {
		return 0
	}
	return float64(p.page) / 16
}

// shape is what one row takes on average.
type shape struct {
	leaf      float64 // clustered leaf pages per row
	lob       float64 // off-page pages per row
	key       float64 // bytes of the clustered key
	secondary []indexShape
	spread    float64 // relative standard error of the size of a row
}

// indexShape is what one row takes in a secondary index.
type indexShape struct{ leaf, size float64 }

// shape packs the sampled records of every index.
func (p *predictor) shape(s *sample) shape {
	var out shape
	records := s.weighted()
	n := float64(len(records))
	if n == 0 {
		out.secondary = make([]indexShape, len(p.l.secondary))
		return out
	}
	room := p.page.room(p.l.redundant)
	sizes := make([]float64, len(records))
	for i, r := range records {
		size, pages := p.l.clustered(r, room, p.lob)
		sizes[i] = size
		out.lob += pages / n
		out.key += p.l.key(r) / n
	}
	out.leaf = pack(sizes, room, p.spare()) / n
	for _, ix := range p.l.secondary {
		var shape indexShape
		if !ix.opaque && ix.kind == "BTREE" {
			for i, r := range records {
				sizes[i] = p.l.secondarySize(ix, r, p.prefix)
				shape.size += sizes[i] / n
			}
			shape.leaf = pack(sizes, room, 0) / n
		}
		out.secondary = append(out.secondary, shape)
	}
	out.spread = p.sizeSpread(s, room)
	return out
}

// sizeSpread is the relative standard error of the mean row, from the means of the strata.
func (p *predictor) sizeSpread(s *sample, room float64) float64 {
	var means []float64
	for _, st := range s.strata {
		if len(st.rows) == 0 {
			continue
		}
		sum := 0.0
		for _, r := range st.rows {
			size, pages := p.l.clustered(r, room, p.lob)
			sum += size + pages*float64(p.page)
		}
		means = append(means, sum/float64(len(st.rows)))
	}
	if len(means) < 2 {
		return 0.25 // one place in the table: it may be like no other
	}
	mean, squares := 0.0, 0.0
	for _, m := range means {
		mean += m / float64(len(means))
	}
	for _, m := range means {
		squares += (m - mean) * (m - mean)
	}
	k := float64(len(means))
	return math.Sqrt(squares/(k-1)/k) / mean
}

// String is the prediction for logs.
func (p Prediction) String() string {
	return fmt.Sprintf("%d bytes (%d to %d, %s)", p.Bytes, p.Low, p.High, p.How)
}
