package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

// A picture is as wide as a phone's screen has pixels, so that it is not shrunk below what can be
// read.
const (
	width  = 1080
	margin = 40
)

// Colours; each has a pattern of its own beside it.
var (
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
	ink   = color.RGBA{0x1d, 0x1c, 0x1d, 0xff}
	faint = color.RGBA{0x55, 0x55, 0x58, 0xff}
	rule  = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
	solid = color.RGBA{0x16, 0x4e, 0x75, 0xff}
	pale  = color.RGBA{0xd7, 0xe9, 0xf5, 0xff}
	alarm = color.RGBA{0x9c, 0x2f, 0x12, 0xff}
)

// drawing serializes pictures: a font.Face is not safe for concurrent use.
var drawing sync.Mutex

// canvas is an image with its fonts.
type canvas struct {
	img *image.RGBA
	*fonts
}

// picture draws on a white sheet of a height and encodes it.
func picture(height int, paint func(c *canvas)) ([]byte, error) {
	drawing.Lock()
	defer drawing.Unlock()
	f, err := parsed()
	if err != nil {
		return nil, err
	}
	c := &canvas{img: image.NewRGBA(image.Rect(0, 0, width, height)), fonts: f}
	c.fill(c.img.Bounds(), paper)
	paint(c)
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(&b, fewer(c.img)); err != nil {
		return nil, fmt.Errorf("write chart as PNG: %w", err)
	}
	return b.Bytes(), nil
}

// fewer is an image in the few colours that the pictures have, with the shades of their letters'
// edges: a tenth of the bytes.
func fewer(img *image.RGBA) *image.Paletted {
	colours := color.Palette{paper, rule, solid, pale}
	const shades = 6
	for _, tone := range []color.RGBA{ink, faint, alarm} {
		for i := range shades {
			mix := func(a, b uint8) uint8 { return uint8((int(a)*(i+1) + int(b)*(shades-1-i)) / shades) }
			colours = append(colours, color.RGBA{mix(tone.R, paper.R), mix(tone.G, paper.G), mix(tone.B, paper.B), 0xff})
		}
	}
	out := image.NewPaletted(img.Bounds(), colours)
	known := map[color.RGBA]uint8{}
	for i := 0; i < len(img.Pix); i += 4 {
		at := color.RGBA{img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3]}
		n, ok := known[at]
		if !ok {
			n = uint8(colours.Index(at))
			known[at] = n
		}
		out.Pix[i/4] = n
	}
	return out
}

func (c *canvas) fill(r image.Rectangle, ink color.Color) {
	draw.Draw(c.img, r, image.NewUniform(ink), image.Point{}, draw.Src)
}

// pattern says how a bar is filled.
type pattern int

const (
	left  pattern = iota // what is there now: solid and dark
	given                // what was given back: light, hatched, with an edge
	added                // what was added: dotted, with an edge
)

// bar fills a rectangle with a pattern.
func (c *canvas) bar(r image.Rectangle, p pattern) {
	if p == left {
		c.fill(r, solid)
		return
	}
	edge, lines := solid, solid
	c.fill(r, pale)
	if p == added {
		edge, lines = alarm, alarm
		c.fill(r, paper)
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			hatch := p == given && (x+y)%14 < 3
			dots := p == added && x%12 < 5 && y%12 < 5
			if hatch || dots {
				c.img.SetRGBA(x, y, lines)
			}
		}
	}
	c.frame(r, edge)
}

// frame draws the edge of a rectangle, three pixels wide.
func (c *canvas) frame(r image.Rectangle, ink color.Color) {
	const w = 3
	for _, side := range []image.Rectangle{
		{Min: r.Min, Max: image.Pt(r.Max.X, r.Min.Y+w)}, {Min: image.Pt(r.Min.X, r.Max.Y-w), Max: r.Max},
		{Min: r.Min, Max: image.Pt(r.Min.X+w, r.Max.Y)}, {Min: image.Pt(r.Max.X-w, r.Min.Y), Max: r.Max},
	} {
		c.fill(side.Intersect(r), ink)
	}
}

// write puts a line of text with its baseline at y and answers where it ends.
func (c *canvas) write(face font.Face, x, y int, ink color.Color, s string) int {
	d := font.Drawer{Dst: c.img, Src: image.NewUniform(ink), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(s)
	return d.Dot.X.Ceil()
}

// writeRight puts a line of text that ends at x and answers where it begins.
func (c *canvas) writeRight(face font.Face, x, y int, ink color.Color, s string) int {
	x -= measure(face, s)
	c.write(face, x, y, ink, s)
	return x
}

func measure(face font.Face, s string) int { return font.MeasureString(face, s).Ceil() }

// fit shortens a text in its middle, where names differ least, to a width.
func fit(face font.Face, s string, room int) string {
	if measure(face, s) <= room {
		return s
	}
	runes := []rune(s)
	for n := len(runes) - 1; n > 0; n-- {
		head := (n + 1) / 2
		if short := string(runes[:head]) + "…" + string(runes[len(runes)-(n-head):]); measure(face, short) <= room {
			return short
		}
	}
	return "…"
}

// head draws title, subtitle and legend, and answers where they end.
func (c *canvas) head(title, subtitle string, legend []entry) int {
	c.write(c.title, margin, 64, ink, fit(c.title, title, width-2*margin))
	y := 64
	if subtitle != "" {
		y += 52
		c.write(c.text, margin, y, faint, fit(c.text, subtitle, width-2*margin))
	}
	if len(legend) > 0 {
		y += 60
		x := margin
		for _, e := range legend {
			c.bar(image.Rect(x, y-30, x+52, y+2), e.pattern)
			x = c.write(c.text, x+66, y, ink, e.word) + 44
		}
	}
	return y + 30
}

// entry is one part of a legend.
type entry struct {
	pattern pattern
	word    string
}
