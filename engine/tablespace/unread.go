package tablespace

import (
	"fmt"
	"math"
)

// noteUnread is told of a prediction without a sample.
const noteUnread = "its rows could not be read in the time allowed"

// reading is what was learnt of one tablespace.
type reading struct {
	unit
	shape shape
	rows  counted
}

// unknown is what is said of a table when the time was over before anything was learnt: its free
// extents would be given back, and nothing else is certain.
func unknown(t Table) Prediction {
	return Prediction{Bytes: max(0, t.FileBytes-t.DataFree), High: t.FileBytes, How: HowUsedPages, Note: noteUnread}
}

// unsampled bounds a table of which no record was read by the pages its indexes use: the new ones
// are not bigger than those, and how much smaller nobody knows.
func (p *predictor) unsampled(units []unit) Prediction {
	out := Prediction{How: HowUsedPages, Note: noteUnread}
	for _, u := range units {
		used := []float64{p.stats.pages(u, p.clustered()), 1}
		if used[0] == 0 {
			return unknown(p.t)
		}
		for _, ix := range p.l.secondary {
			if ix.kind != "FULLTEXT" {
				used = append(used, p.stats.pages(u, ix.name), 1)
			}
		}
		out.High += p.grow.file(used)
		for i := range used {
			used[i] *= float64(middling)
		}
		out.Bytes += p.grow.file(used)
	}
	// Statistics may be older than the rows.
	out.High = max(out.High, p.t.FileBytes-p.t.DataFree, out.Bytes)
	p.bound(&out, shape{})
	out.Low, out.Note = 0, noteUnread
	return out
}

// clustered is the name of the index that holds the rows.
func (p *predictor) clustered() string {
	if p.l.cluster == nil {
		return "GEN_CLUST_INDEX"
	}
	return p.l.cluster.name
}

// alike predicts partitions that were not read from those that were.
func (p *predictor) alike(rest []unit, read []reading) Prediction {
	s, rows := mean(read)
	total := Prediction{How: HowStatistics, Note: fmt.Sprintf("%d of %d partitions were read in the time allowed, and the others taken to be like them",
		len(read), len(read)+len(rest))}
	for _, u := range rest {
		total.add(p.size(u, s, counted{rows: u.rows, how: HowStatistics, spread: max(rows, 0.2)}))
	}
	return total
}

// mean is the average row of what was read, with the spread among the partitions in it, and the
// greatest spread of their numbers of rows.
func mean(read []reading) (out shape, rows float64) {
	n := 0.0
	for _, r := range read {
		n += r.rows.rows
		rows = max(rows, r.rows.spread)
	}
	if n == 0 { // they were all empty
		return shape{secondary: make([]indexShape, len(read[0].shape.secondary)), spread: 1}, rows
	}
	out.secondary = make([]indexShape, len(read[0].shape.secondary))
	for _, r := range read {
		w := r.rows.rows / n
		out.leaf += w * r.shape.leaf
		out.lob += w * r.shape.lob
		out.key += w * r.shape.key
		out.spread = max(out.spread, r.shape.spread)
		for i, ix := range r.shape.secondary {
			out.secondary[i].leaf += w * ix.leaf
			out.secondary[i].size += w * ix.size
		}
	}
	squares := 0.0
	for _, r := range read {
		d := (r.shape.leaf+r.shape.lob)/(out.leaf+out.lob) - 1
		squares += r.rows.rows / n * d * d
	}
	out.spread = math.Hypot(out.spread, math.Sqrt(squares))
	return out, rows
}
