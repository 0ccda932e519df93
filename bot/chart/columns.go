package chart

import "image"

// Column is one span of time.
type Column struct {
	Name  string // "11-16"
	Value string // "4.2 GiB"
	N     int64
}

// Columns shows an amount over time, one column a span, the oldest first.
type Columns struct {
	Title    string
	Subtitle string
	Columns  []Column
}

// plotHeight is the height of the highest column.
const plotHeight = 420

// PNG draws the columns in their order. The last one is the span that the picture is about, solid;
// those before it are hatched.
func (x Columns) PNG() ([]byte, error) {
	var most int64 = 1
	for _, one := range x.Columns {
		most = max(most, one.N)
	}
	return picture(176+plotHeight+120, func(c *canvas) {
		top := c.head(x.Title, x.Subtitle, nil) + 60
		floor := top + plotHeight
		step := (width - 2*margin) / max(1, len(x.Columns))
		for i, one := range x.Columns {
			at, wide := margin+i*step, step*2/3
			mid := at + step/2
			high := int(float64(plotHeight) * float64(max(0, one.N)) / float64(most))
			p := given
			if i == len(x.Columns)-1 {
				p = left
			}
			if high > 0 {
				c.bar(image.Rect(mid-wide/2, floor-max(4, high), mid+wide/2, floor), p)
			}
			c.write(c.text, mid-measure(c.text, one.Value)/2, floor-max(4, high)-12, ink, one.Value)
			c.write(c.text, mid-measure(c.text, one.Name)/2, floor+46, faint, one.Name)
		}
		c.fill(image.Rect(margin, floor, width-margin, floor+3), faint)
	})
}
