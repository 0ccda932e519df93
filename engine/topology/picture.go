package topology

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The picture is as wide as a phone's screen has pixels, so that a chat shows it without shrinking
// the letters below what can be read. One server a row; a tier is a step to the right.
const (
	pictureWidth = 1080
	margin       = 36
	rowHeight    = 132
	headHeight   = 110
	step         = 72 // indentation of a tier
	maxStep      = 6  // deeper tiers are not indented further
	badge        = 56 // size of the shape that shows the role
	maxRows      = 60 // beyond, the picture says how many are left out
	nameSize     = 40
	textSize     = 30
)

// Colours of the picture; none of them carries a meaning that is not also written or drawn.
var (
	paper     = color.RGBA{0xff, 0xff, 0xff, 0xff}
	ink       = color.RGBA{0x1d, 0x1c, 0x1d, 0xff}
	faint     = color.RGBA{0x61, 0x60, 0x61, 0xff}
	line      = color.RGBA{0x9a, 0x9a, 0x9a, 0xff}
	alarm     = color.RGBA{0xb3, 0x26, 0x1e, 0xff}
	stripe    = color.RGBA{0xf6, 0xf6, 0xf6, 0xff}
	roleInk   = map[Role]color.RGBA{RolePrimary: {0x8a, 0x4b, 0x00, 0xff}, RoleIntermediate: {0x5b, 0x3a, 0x8c, 0xff}, RoleReplica: {0x1b, 0x5e, 0x8a, 0xff}}
	roleGlyph = map[Role]string{RolePrimary: "P", RoleIntermediate: "I", RoleReplica: "R", RoleStandalone: "S", RoleGroupMember: "G", RoleRelay: "B", RoleUnknown: "?"}
)

// faces are the fonts of the picture, parsed once; parsing is pure and cannot fail on fonts that
// are compiled in, a test holds that.
var faces = sync.OnceValues(func() (map[string]font.Face, error) {
	out := map[string]font.Face{}
	for name, f := range map[string]struct {
		ttf  []byte
		size float64
	}{"name": {gobold.TTF, nameSize}, "text": {goregular.TTF, textSize}, "badge": {gobold.TTF, 34}} {
		parsed, err := opentype.Parse(f.ttf)
		if err != nil {
			return nil, fmt.Errorf("read the picture's font: %w", err)
		}
		face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, fmt.Errorf("read the picture's font: %w", err)
		}
		out[name] = face
	}
	return out, nil
})

// drawLock serializes drawing: a font.Face is not safe for concurrent use.
var drawLock sync.Mutex

// PNG draws the topology for a thread, to be read at a phone's size: roles by shape and letter and
// word, lag in words, broken links dashed and named. AltText goes with it.
func (t Topology) PNG() ([]byte, error) {
	drawLock.Lock()
	defer drawLock.Unlock()
	fonts, err := faces()
	if err != nil {
		return nil, err
	}
	rows := t.pictureRows()
	left := max(0, len(rows)-maxRows)
	rows = rows[:len(rows)-left]
	height := headHeight + len(rows)*rowHeight + margin
	if left > 0 {
		height += rowHeight / 2
	}
	c := &canvas{img: image.NewRGBA(image.Rect(0, 0, pictureWidth, height)), fonts: fonts}
	draw.Draw(c.img, c.img.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	c.text("name", margin, 56, ink, c.fit("name", orWord(t.Cluster, "Topology"), pictureWidth-2*margin))
	c.text("text", margin, 96, faint, t.subtitle())
	for n, r := range rows {
		c.row(n, r, rows)
	}
	if left > 0 {
		c.text("text", margin, headHeight+len(rows)*rowHeight+40, faint, "and "+counted(left, "more server")+", see the text")
	}
	var b bytes.Buffer
	if err := png.Encode(&b, c.img); err != nil {
		return nil, fmt.Errorf("write topology as PNG: %w", err)
	}
	return b.Bytes(), nil
}

// subtitle counts servers and says when they were looked at.
func (t Topology) subtitle() string {
	text := counted(len(t.Instances), "server")
	if t.Partial {
		text += ", known in part only"
	}
	return text + ", " + t.At.UTC().Format("2006-01-02 15:04") + " UTC"
}

// pictureRow is one server of the picture.
type pictureRow struct {
	Instance
	depth  int
	parent int // row of the server above; -1 for none
	edge   string
	broken bool
	again  bool // drawn above already
}

// pictureRows lays the tree out, like Tree.
func (t Topology) pictureRows() []pictureRow {
	x := newIndex(&t)
	var rows []pictureRow
	drawn := map[int]bool{}
	var add func(n, depth, parent, source int)
	add = func(n, depth, parent, source int) {
		r := pictureRow{Instance: t.Instances[n], depth: depth, parent: parent, again: drawn[n]}
		if source >= 0 {
			r.edge, r.broken = x.edgeLabel(source, n)
		}
		at := len(rows)
		rows = append(rows, r)
		if drawn[n] {
			return
		}
		drawn[n] = true
		for _, c := range x.down[n] {
			add(c, depth+1, at, n)
		}
	}
	for _, n := range x.tops() {
		if !drawn[n] {
			add(n, 0, -1, -1)
		}
	}
	return rows
}

// details are the second and third line of a row.
func (r pictureRow) details() (what, state string, trouble bool) {
	what = string(r.Role)
	switch {
	case r.again:
		return what + ", see above", r.edge, r.broken
	case !r.Reached:
		return "not reached", r.Unreached, true
	}
	what += ", " + r.Version.String() + ", read_only=" + bit(r.State.ReadOnly)
	parts := []string{}
	if r.edge != "" {
		parts = append(parts, r.edge)
	}
	if r.Group != "" {
		parts = append(parts, r.Group)
	}
	if r.ErrantGTID != "" {
		parts = append(parts, "ERRANT transactions")
	}
	if len(r.Missing) > 0 {
		parts = append(parts, "INCOMPLETE")
	}
	return what, strings.Join(parts, ", "), r.broken || r.ErrantGTID != "" || len(r.Missing) > 0
}

// canvas is the image with its fonts.
type canvas struct {
	img   *image.RGBA
	fonts map[string]font.Face
}

// row draws one server with the line to the one above it.
func (c *canvas) row(n int, r pictureRow, rows []pictureRow) {
	top := headHeight + n*rowHeight
	if n%2 == 1 {
		draw.Draw(c.img, image.Rect(0, top, pictureWidth, top+rowHeight), image.NewUniform(stripe), image.Point{}, draw.Src)
	}
	x, mid := indent(r.depth), top+rowHeight/2
	if r.parent >= 0 {
		px := indent(rows[r.parent].depth) + badge/2
		from := headHeight + r.parent*rowHeight + rowHeight/2 + badge/2 + 4
		if sibling := r.siblingBefore(n, rows); sibling >= 0 {
			from = headHeight + sibling*rowHeight + rowHeight/2 // from there up the line is the sibling's
		}
		lineInk := line
		if r.broken {
			lineInk = alarm
		}
		if px >= x { // deeper than the steps: the line keeps clear of the shape
			px = x - 14
		}
		c.vertical(px, from, mid, lineInk, r.broken)
		c.horizontal(px, x-4, mid, lineInk, r.broken)
	}
	what, state, trouble := r.details()
	c.badge(x, mid-badge/2, r.Role, r.Reached)
	textX := x + badge + 24
	room := pictureWidth - margin - textX
	stateInk := faint
	if trouble {
		stateInk = alarm
	}
	c.text("name", textX, top+46, ink, c.fit("name", r.Name, room))
	c.text("text", textX, top+82, faint, c.fit("text", what, room))
	c.text("text", textX, top+118, stateInk, c.fit("text", state, room))
}

// siblingBefore is the nearest row above with the same server above it; -1 for none.
func (r pictureRow) siblingBefore(n int, rows []pictureRow) int {
	for k := n - 1; k > r.parent; k-- {
		if rows[k].parent == r.parent {
			return k
		}
	}
	return -1
}

// indent is where a tier begins.
func indent(depth int) int { return margin + min(depth, maxStep)*step }

// text writes a line with its baseline at y.
func (c *canvas) text(face string, x, y int, ink color.Color, s string) {
	d := font.Drawer{Dst: c.img, Src: image.NewUniform(ink), Face: c.fonts[face], Dot: fixed.P(x, y)}
	d.DrawString(s)
}

// fit shortens a text to a width, with an ellipsis.
func (c *canvas) fit(face, s string, width int) string {
	if font.MeasureString(c.fonts[face], s).Ceil() <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && font.MeasureString(c.fonts[face], string(runes)+"…").Ceil() > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
