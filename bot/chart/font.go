package chart

import (
	_ "embed"
	"fmt"
	"image"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

//go:embed han.otf
var han []byte

// Sizes of letters in pixels. A phone shows the picture at a third of its size.
const (
	titleSize = 46
	nameSize  = 38
	textSize  = 34
)

// fonts are the parsed faces of the pictures; drawing them is serialized, because a font.Face keeps
// a buffer.
type fonts struct {
	title, name, text font.Face
}

// parsed reads the fonts once. Parsing is pure and cannot fail on fonts that are compiled in; a
// test holds that.
var parsed = sync.OnceValues(func() (*fonts, error) {
	var out fonts
	for _, f := range []struct {
		to    *font.Face
		latin []byte
		size  float64
	}{{&out.title, gobold.TTF, titleSize}, {&out.name, gobold.TTF, nameSize}, {&out.text, goregular.TTF, textSize}} {
		face, err := newPair(f.latin, f.size)
		if err != nil {
			return nil, fmt.Errorf("read the font of charts: %w", err)
		}
		*f.to = face
	}
	return &out, nil
})

// pair is a Latin face with a Chinese one for the characters it lacks.
type pair struct {
	font.Face
	han      font.Face
	latinSet *sfnt.Font
	hanSet   *sfnt.Font
	buf      *sfnt.Buffer
}

func newPair(latin []byte, size float64) (*pair, error) {
	p := &pair{buf: &sfnt.Buffer{}}
	for _, f := range []struct {
		raw  []byte
		set  **sfnt.Font
		face *font.Face
	}{{latin, &p.latinSet, &p.Face}, {han, &p.hanSet, &p.han}} {
		set, err := opentype.Parse(f.raw)
		if err != nil {
			return nil, err
		}
		face, err := opentype.NewFace(set, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, err
		}
		*f.set, *f.face = set, face
	}
	return p, nil
}

// of is the face that has a character; the Latin one draws its empty box for what neither has.
func (p *pair) of(r rune) font.Face {
	if in(p.latinSet, p.buf, r) || !in(p.hanSet, p.buf, r) {
		return p.Face
	}
	return p.han
}

func in(set *sfnt.Font, buf *sfnt.Buffer, r rune) bool {
	n, err := set.GlyphIndex(buf, r)
	return err == nil && n != 0
}

// Glyph implements font.Face.
func (p *pair) Glyph(dot fixed.Point26_6, r rune) (image.Rectangle, image.Image, image.Point, fixed.Int26_6, bool) {
	return p.of(r).Glyph(dot, r)
}

// GlyphBounds implements font.Face.
func (p *pair) GlyphBounds(r rune) (fixed.Rectangle26_6, fixed.Int26_6, bool) {
	return p.of(r).GlyphBounds(r)
}

// GlyphAdvance implements font.Face.
func (p *pair) GlyphAdvance(r rune) (fixed.Int26_6, bool) { return p.of(r).GlyphAdvance(r) }

// Kern implements font.Face.
func (p *pair) Kern(a, b rune) fixed.Int26_6 {
	if f := p.of(a); f == p.of(b) {
		return f.Kern(a, b)
	}
	return 0
}

// Draws reports whether the pictures' fonts have every character of a text.
func Draws(text string) bool {
	drawing.Lock()
	defer drawing.Unlock()
	f, err := parsed()
	if err != nil {
		return false
	}
	p, ok := f.text.(*pair)
	for _, r := range text {
		if !ok || (!in(p.latinSet, p.buf, r) && !in(p.hanSet, p.buf, r)) {
			return false
		}
	}
	return ok
}
