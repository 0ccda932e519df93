package chart

import "image"

// Bar is one row: a name, its sizes in words, and how long its bar is.
type Bar struct {
	Name   string
	Sizes  string // "3.0 GiB → 1.0 GiB"
	Change string // "−2.0 GiB"
	Before int64
	After  int64
}

// Bars compares sizes before and after, one bar a row. The bars share one scale.
type Bars struct {
	Title    string
	Subtitle string
	Left     string // legend: what is there now
	Given    string // legend: what was given back
	Added    string // legend: what was added; shown only where something was
	Rows     []Bar
}

// Height of a row, and of its bar.
const (
	rowHeight = 122
	barHeight = 44
)

// PNG draws the rows in their order.
func (b Bars) PNG() ([]byte, error) {
	legend := []entry{{left, b.Left}, {given, b.Given}}
	var most int64 = 1
	grew := false
	for _, r := range b.Rows {
		most = max(most, r.Before, r.After)
		grew = grew || r.After > r.Before
	}
	if grew {
		legend = append(legend, entry{added, b.Added})
	}
	return picture(236+len(b.Rows)*rowHeight, func(c *canvas) {
		y := c.head(b.Title, b.Subtitle, legend)
		room := width - 2*margin - b.widest(c) - 16
		for _, r := range b.Rows {
			c.row(r, y, room, most)
			y += rowHeight
		}
	})
}

// widest is the width of the longest change, which stands behind its bar.
func (b Bars) widest(c *canvas) int {
	w := 0
	for _, r := range b.Rows {
		w = max(w, measure(c.name, r.Change))
	}
	return w
}

// row draws one bar with its name and numbers above and behind it.
func (c *canvas) row(r Bar, y, room int, most int64) {
	c.fill(image.Rect(margin, y, width-margin, y+2), rule)
	at := c.writeRight(c.text, width-margin, y+48, faint, r.Sizes)
	c.write(c.name, margin, y+48, ink, fit(c.name, r.Name, at-margin-24))
	end := func(n int64) int {
		if n <= 0 {
			return margin
		}
		return margin + max(4, int(float64(room)*float64(n)/float64(most)))
	}
	top, bottom := y+64, y+64+barHeight
	low, high, rest := end(min(r.Before, r.After)), end(max(r.Before, r.After)), given
	tone := ink
	if r.After > r.Before {
		rest, tone = added, alarm
	}
	c.bar(image.Rect(margin, top, low, bottom), left)
	if high > low {
		c.bar(image.Rect(low, top, high, bottom), rest)
	}
	c.write(c.name, high+16, top+35, tone, r.Change)
}
