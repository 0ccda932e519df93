package chart

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var keep = flag.String("keep", "", "folder to write the pictures of the tests to, for people to look at")

// drawn decodes a picture, and keeps it when somebody wants to look at it.
func drawn(t *testing.T, name string, raw []byte, err error) image.Image {
	t.Helper()
	require.NoError(t, err)
	if *keep != "" {
		require.NoError(t, os.WriteFile(filepath.Join(*keep, name+".png"), raw, 0o644))
	}
	img, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, width, img.Bounds().Dx())
	require.Less(t, len(raw), 80_000, "a picture travels with every message")
	return img
}

// count is how many pixels of a row of pixels have a colour.
func count(img image.Image, y int, want color.RGBA) int {
	n := 0
	for x := range width {
		if color.RGBAModel.Convert(img.At(x, y)) == want {
			n++
		}
	}
	return n
}

func bars(n int) Bars {
	b := Bars{Title: "db-prod-3: tables before and after", Subtitle: "66 GiB → 41 GiB, 25 GiB given back", Left: "now", Given: "given back", Added: "grew"}
	for i := range n {
		gb := int64(n - i)
		b.Rows = append(b.Rows, Bar{Name: fmt.Sprintf("shop.order_items_archive_%d", i), Sizes: fmt.Sprintf("%d.0 GiB → %d.5 GiB", gb, gb/2),
			Change: fmt.Sprintf("−%d.0 GiB", gb-gb/2), Before: gb << 30, After: gb << 29})
	}
	return b
}

func TestBarsShareOneScale(t *testing.T) {
	t.Parallel()
	b := bars(13)
	raw, err := b.PNG()
	img := drawn(t, "bars", raw, err)
	require.Equal(t, 236+13*rowHeight, img.Bounds().Dy())
	at := func(row int) int { return count(img, 206+row*rowHeight+64+barHeight/2, solid) }
	require.Positive(t, at(12), "the smallest table is seen")
	require.Greater(t, at(0), 3*at(9)/2, "a longer bar is more bytes")
}

func TestGrowthIsNotDrawnAsAGain(t *testing.T) {
	t.Parallel()
	b := bars(1)
	b.Rows = append(b.Rows, Bar{Name: "shop.grew", Sizes: "1.0 GiB → 1.5 GiB", Change: "+512 MiB", Before: 1 << 30, After: 3 << 29},
		Bar{Name: "shop.empty", Sizes: "0 B → 0 B", Change: "0 B"})
	raw, err := b.PNG()
	img := drawn(t, "grew", raw, err)
	red := 0
	for y := range img.Bounds().Dy() {
		red += count(img, y, alarm)
	}
	require.Greater(t, red, 500)
}

func TestNamesOfAnyLengthAndScriptFit(t *testing.T) {
	t.Parallel()
	b := bars(2)
	b.Title, b.Left, b.Given = "db-prod-3：各表重建前后大小", "现在", "已回收"
	b.Rows[0].Name = "a_schema_with_a_very_long_name_indeed.and_a_table_with_a_longer_one_2026_11"
	b.Rows[1].Name = "店铺.订单\u202e"
	raw, err := b.PNG()
	img := drawn(t, "names", raw, err)
	for y := range img.Bounds().Dy() {
		require.Equal(t, paper, color.RGBAModel.Convert(img.At(width-1, y)), "the margin stays empty")
		require.Equal(t, paper, color.RGBAModel.Convert(img.At(2, y)))
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	c := Columns{Title: "#db-ops: given back per week", Subtitle: "31 GiB in 8 weeks"}
	for i, n := range []int64{0, 4, 9, 0, 3, 7, 2, 6} {
		c.Columns = append(c.Columns, Column{Name: fmt.Sprintf("10-%02d", 5+3*i), Value: fmt.Sprintf("%d GiB", n), N: n << 30})
	}
	raw, err := c.PNG()
	drawn(t, "columns", raw, err)
	raw, err = Columns{Title: "nothing"}.PNG()
	drawn(t, "no_columns", raw, err)
}

func TestFontsHaveWhatPicturesSay(t *testing.T) {
	t.Parallel()
	require.True(t, Draws("3.0 GiB → 1.0 GiB −2.0 GiB 重建前后"))
	require.False(t, Draws("龍"))
}
