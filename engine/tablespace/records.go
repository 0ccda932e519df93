package tablespace

import "math"

// lengths of what InnoDB adds to every record.
const (
	compactHeader   = 5
	redundantHeader = 6
	systemColumns   = 13 // transaction id and roll pointer, in the clustered index
	rowNumber       = 6  // the hidden key of a table without one
	pointerBytes    = 20 // left in the page when a column moves off page
	longPrefix      = 768
	longEnough      = 40 // shorter columns never leave the page
)

// stored is what a column's value takes: its bytes and those of its length.
func (l *layout) stored(i int, length int64) (data, size float64) {
	c := l.columns[i]
	switch {
	case c.fixed >= 0 && length < 0 && !l.redundant:
		return 0, 0
	case c.fixed >= 0:
		return float64(c.fixed), 0
	case length < 0:
		return 0, 0
	}
	n := max(length, int64(c.padded))
	if l.redundant && c.padded > 0 {
		n = c.max // CHAR has its full length there
	}
	if n < 128 || c.max <= 255 && !c.blob {
		return float64(n), 1
	}
	return float64(n), 2
}

// clustered is the size of a row in the clustered index and the number of pages its long columns
// take outside.
func (l *layout) clustered(r record, room float64, lob lobPages) (size, pages float64) {
	long := map[int]float64{} // columns that may leave the page
	fields, nulls := 2, 0
	size = systemColumns
	if l.cluster == nil {
		size, fields = size+rowNumber, fields+1
	}
	if l.docID {
		size, fields = size+8, fields+1
	}
	for i, c := range l.columns {
		if c.virtual {
			continue
		}
		fields++
		if c.null {
			nulls++
		}
		data, head := l.stored(i, r.length[i])
		size += data
		if !l.redundant {
			size += head
		}
		if c.fixed < 0 && (c.blob || c.max > 255) && data > longEnough && !l.inKey(c.name) {
			long[i] = data
		}
	}
	size += l.header(fields, nulls, size)
	keep := float64(pointerBytes)
	if l.compact {
		keep += longPrefix
	}
	for size >= math.Floor(room/2) && len(long) > 0 {
		at, most := -1, keep
		for i, n := range long {
			if n > most {
				at, most = i, n
			}
		}
		if at < 0 {
			break
		}
		delete(long, at)
		size -= most - keep
		pages += lob(most - (keep - pointerBytes))
	}
	return size, pages
}

// header is what comes before the data of a record.
func (l *layout) header(fields, nulls int, size float64) float64 {
	if !l.redundant {
		return compactHeader + float64((nulls+7)/8)
	}
	if size > 127 {
		return redundantHeader + 2*float64(fields)
	}
	return redundantHeader + float64(fields)
}

// inKey reports whether a column is part of the clustered key.
func (l *layout) inKey(name string) bool {
	if l.cluster == nil {
		return false
	}
	for _, p := range l.cluster.parts {
		if p.column == name {
			return true
		}
	}
	return false
}

// key is what the clustered key of a row takes, as it is appended to secondary records.
func (l *layout) key(r record) float64 {
	if l.cluster == nil {
		return rowNumber
	}
	sum := 0.0
	for _, p := range l.cluster.parts {
		if i, ok := l.column(p.column); ok {
			data, head := l.stored(i, r.length[i])
			sum += data + head
		}
	}
	return sum
}

// secondarySize is the size of a row in a secondary index: its columns, and those of the clustered
// key that are not among them.
func (l *layout) secondarySize(ix index, r record, prefixAt map[part]int) float64 {
	size, fields, nulls := 0.0, 0, 0
	has := map[string]bool{}
	add := func(p part) {
		i, ok := l.column(p.column)
		if !ok {
			return
		}
		fields++
		if l.columns[i].null {
			nulls++
		}
		length := r.length[i]
		if at, cut := prefixAt[p]; cut {
			length = r.prefix[at]
		}
		data, head := l.stored(i, length)
		if _, cut := prefixAt[p]; cut {
			data = float64(max(0, length)) // a prefix is not padded
		}
		size += data
		if !l.redundant {
			size += head
		}
	}
	for _, p := range ix.parts {
		add(p)
		has[p.column] = has[p.column] || p.prefix == 0
	}
	if l.cluster == nil {
		size, fields = size+rowNumber, fields+1
	} else {
		for _, p := range l.cluster.parts {
			if !has[p.column] {
				add(p)
			}
		}
	}
	return size + l.header(fields, nulls, size)
}

// lobPages tells how many pages a column of a length takes off page.
type lobPages func(length float64) float64

// newLob is the format since 8.0: the first page has an index of the others, more index pages
// follow for long values.
func newLob(page pageSize) lobPages {
	first, other, index := float64(page)-704, float64(page)-57, 272.0
	return func(n float64) float64 {
		if n <= first {
			return 1
		}
		more := math.Ceil((n - first) / other)
		return 1 + more + math.Ceil(math.Max(0, more-9)/index)
	}
}

// oldLob is the format before 8.0 and on MariaDB: a chain of pages.
func oldLob(page pageSize) lobPages {
	return func(n float64) float64 { return math.Ceil(n / (float64(page) - 54)) }
}
