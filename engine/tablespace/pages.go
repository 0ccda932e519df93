package tablespace

import "math"

// Sizes of InnoDB's structures, in bytes and pages of 16 KiB. They are those of the server's
// storage code (page0page.h, fsp0fsp.h, btr0load.cc), confirmed by page counts on real servers.
const (
	pageRoom      = 16252 // of an empty page: 16384 less header, infimum, supremum and two directory slots
	redundantRoom = 16247
	extentPages   = 64
	fragPages     = 32 // a segment's first pages are taken one by one, from shared extents
)

// pageSize scales what is known for 16 KiB pages to a server's page size.
type pageSize int

// room is what the records of one page can take.
func (p pageSize) room(redundant bool) float64 {
	if redundant {
		return float64(int(p) - (16384 - redundantRoom))
	}
	return float64(int(p) - (16384 - pageRoom))
}

// extent is the number of pages of an extent: 1 MiB up to pages of 16 KiB, then 64 pages.
func (p pageSize) extent() int {
	if p < 16384 {
		return (1 << 20) / int(p)
	}
	return extentPages
}

// pack returns how many pages the records fill, the last one counted by its share. reserve is
// what the bulk load leaves free on each page for later growth, once it holds two records.
func pack(records []float64, room, reserve float64) float64 {
	pages, used, n := 0.0, 0.0, 0
	for _, size := range records {
		need := size + 0.5 // a directory slot of 2 bytes for every 4 records
		if n > 0 && (used+need > room || n >= 2 && used+need > room-reserve) {
			pages, used, n = pages+1, 0, 0
		}
		used += need
		n++
	}
	if n == 0 {
		return 0
	}
	return pages + min(1, used/(room-reserve))
}

// tree is the non-leaf pages above a number of leaf pages, for node pointers of a size; at least
// the root, which the segment of the non-leaf pages holds even when it is a leaf.
func tree(leaf, pointer, room float64) float64 {
	fan := max(2, math.Floor(room/(pointer+0.5)))
	sum := 0.0
	for level := math.Ceil(leaf); level > 1; {
		level = math.Ceil(level / fan)
		sum += level
	}
	return max(1, sum)
}

// growth is how a server's tablespaces grow.
type growth struct {
	page    pageSize // of the file; smaller than in memory when it is compressed
	logical pageSize // in memory
	reserve float64  // share of a segment that is kept free, innodb_segment_reserve_factor
	cap     int      // extents the reserve never exceeds; 0: no bound
	slack   bool     // the file keeps 5 extents and 1 % free beside what the segments hold
	step    int64    // AUTOEXTEND_SIZE in bytes, 0: the usual steps
}

// segment is what a segment of used pages holds: single pages and whole extents. An extent of a
// compressed table has as many pages as one of full pages, so it is smaller.
func (g growth) segment(used float64) (single, extents int) {
	ext := g.logical.extent()
	need := int(math.Ceil(used - 1e-6))
	frag := ext / 2
	if need <= frag {
		return need, 0
	}
	single = frag
	extents = max(1, (need-single+ext-1)/ext)
	for {
		reserved := single + extents*ext
		keep := g.reserve * float64(reserved)
		if g.cap > 0 {
			keep = min(keep, float64(g.cap*ext))
		}
		// The server looks before it takes a page, so the last page may come out of the reserve.
		if float64(reserved-need+1) >= math.Floor(keep) {
			return single, extents
		}
		extents++
	}
}

// file is the size of a tablespace of the given segments, in bytes.
func (g growth) file(segments []float64) int64 {
	ext := g.logical.extent()
	const header = 4 // space header, change buffer bitmap, segment inodes, 8.0: dictionary copy
	single, extents := header, 0
	for _, used := range segments {
		s, e := g.segment(used)
		single += s
		extents += e
	}
	if extents == 0 && single < ext { // grows page by page
		if g.slack {
			single += 2
		}
		return int64(single) * int64(g.page)
	}
	total := extents + (single+ext-1)/ext
	total += total * ext / int(g.page) // every 16384 pages one extent starts with descriptors
	if g.slack {
		total += 5 + total/100
	}
	return g.round(int64(total) * int64(ext) * int64(g.page))
}

// round applies the steps a file grows in: 1 MiB up to 32, then four at once.
func (g growth) round(bytes int64) int64 {
	ext := int64(g.logical.extent()) * int64(g.logical)
	step := ext
	switch {
	case g.step > 0:
		step = g.step
	case bytes > 32*ext:
		step = 4 * ext
	}
	return (bytes + step - 1) / step * step
}
