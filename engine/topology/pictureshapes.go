package topology

import (
	"image"
	"image/color"

	"golang.org/x/image/font"
	"golang.org/x/image/vector"
)

// Length of the strokes and gaps of a broken line, and its width.
const (
	dash      = 14
	lineWidth = 4
)

// tops are where drawings begin: servers with nothing above them, then the primaries of rings,
// which have no way in from above, then whatever is left.
func (x *index) tops() []int {
	var out, primaries, rest []int
	for n := range x.instances {
		switch {
		case len(x.up[n]) == 0:
			out = append(out, n)
		case x.instances[n].Role == RolePrimary:
			primaries = append(primaries, n)
		default:
			rest = append(rest, n)
		}
	}
	return append(append(out, primaries...), rest...)
}

// vertical draws a line downwards, in strokes if it is broken.
func (c *canvas) vertical(x, from, to int, ink color.Color, broken bool) {
	for y := from; y < to; y++ {
		if broken && (y-from)/dash%2 == 1 {
			continue
		}
		for w := range lineWidth {
			c.img.Set(x+w-lineWidth/2, y, ink)
		}
	}
}

// horizontal draws a line to the right, in strokes if it is broken.
func (c *canvas) horizontal(from, to, y int, ink color.Color, broken bool) {
	for x := from; x < to; x++ {
		if broken && (x-from)/dash%2 == 1 {
			continue
		}
		for w := range lineWidth {
			c.img.Set(x, y+w-lineWidth/2, ink)
		}
	}
}

// outline are the corners of a role's shape in a square of 1: primary an octagon, intermediate a
// diamond, replica a square, everything else a hexagon.
func outline(r Role) [][2]float32 {
	switch r {
	case RolePrimary:
		return [][2]float32{{.3, 0}, {.7, 0}, {1, .3}, {1, .7}, {.7, 1}, {.3, 1}, {0, .7}, {0, .3}}
	case RoleIntermediate:
		return [][2]float32{{.5, -.1}, {1.1, .5}, {.5, 1.1}, {-.1, .5}}
	case RoleReplica:
		return [][2]float32{{.05, .05}, {.95, .05}, {.95, .95}, {.05, .95}}
	}
	return [][2]float32{{.25, .05}, {.75, .05}, {1, .5}, {.75, .95}, {.25, .95}, {0, .5}}
}

// badge draws the shape of a role with its letter; a server that was not reached has only its edge.
func (c *canvas) badge(x, y int, r Role, reached bool) {
	ink, ok := roleInk[r]
	if !ok {
		ink = faint
	}
	c.polygon(x, y, badge, 1, outline(r), ink)
	letter := paper
	if !reached {
		c.polygon(x, y, badge, .82, outline(r), paper)
		letter = ink
	}
	glyph := roleGlyph[r]
	width := font.MeasureString(c.fonts["badge"], glyph).Ceil()
	c.text("badge", x+(badge-width)/2, y+badge/2+12, letter, glyph)
}

// polygon fills a shape, scaled about its middle.
func (c *canvas) polygon(x, y, size int, scale float32, corners [][2]float32, ink color.Color) {
	const pad = 8 // a diamond reaches over its square
	z := vector.NewRasterizer(size+2*pad, size+2*pad)
	at := func(p [2]float32) (float32, float32) {
		place := func(v float32) float32 { return float32(pad) + (.5+(v-.5)*scale)*float32(size) }
		return place(p[0]), place(p[1])
	}
	z.MoveTo(at(corners[0]))
	for _, p := range corners[1:] {
		z.LineTo(at(p))
	}
	z.ClosePath()
	z.Draw(c.img, image.Rect(x-pad, y-pad, x+size+pad, y+size+pad), image.NewUniform(ink), image.Point{})
}
