package slack

import (
	"strconv"
	"strings"
	"unicode"

	sdk "github.com/slack-go/slack"
	"golang.org/x/text/width"

	"mysql-recycler/bot"
)

// maxCellText is ours: a longer cell makes the table unreadable.
const maxCellText = 200

// drawTable draws the first table that fits as Slack's own table block, which screen readers can
// walk; any other as aligned text.
func (d *drawing) drawTable(t bot.Table) {
	rows := grid(t)
	if len(rows) == 0 {
		return
	}
	cost := 0
	for _, r := range rows {
		for _, c := range r {
			cost += size(c)
		}
	}
	if d.table || len(rows) > maxRows || len(rows[0]) > maxCells || cost > d.left {
		d.alignedTable(rows, t)
		return
	}
	d.table = true
	block := &sdk.TableBlock{Type: sdk.MBTTable}
	for _, r := range rows {
		cells := make([]sdk.TableCell, len(r))
		for i, c := range r {
			if c == "" {
				c = "–" // an empty cell is refused
			}
			cells[i] = sdk.NewTableRawTextCell(c)
		}
		block.Rows = append(block.Rows, cells)
	}
	for i := range rows[0] {
		align := sdk.ColumnAlignmentLeft
		if right(t, i) {
			align = sdk.ColumnAlignmentRight
		}
		block.ColumnSettings = append(block.ColumnSettings, sdk.ColumnSetting{Align: align, IsWrapped: i == 0})
	}
	d.add(block, cost)
}

// grid is the table with its header as the first row, clean cells and as many cells in each row.
func grid(t bot.Table) [][]string {
	cols := len(t.Header)
	for _, r := range t.Rows {
		cols = max(cols, len(r))
	}
	var rows [][]string
	if cols == 0 {
		return nil
	}
	add := func(cells []string) {
		row := make([]string, cols)
		for i, c := range cells {
			row[i] = cut(strings.TrimSpace(line(c)), maxCellText)
		}
		rows = append(rows, row)
	}
	if len(t.Header) > 0 {
		add(t.Header)
	}
	for _, r := range t.Rows {
		add(r)
	}
	return rows
}

func right(t bot.Table, col int) bool { return col < len(t.Right) && t.Right[col] }

// alignedTable draws rows as preformatted text. Rows that do not fit are counted, not cut.
func (d *drawing) alignedTable(rows [][]string, t bot.Table) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], columns(c))
		}
	}
	const room = 40 // for the last line
	var b strings.Builder
	used := 0
	limit := min(d.left, maxText) - room
	for n, r := range rows {
		l := alignedRow(r, widths, t)
		if used += size(l) + 1; used > limit {
			b.WriteString(ellipsis + " and " + strconv.Itoa(len(rows)-n) + " more rows")
			break
		}
		b.WriteString(l + "\n")
	}
	d.code(b.String())
}

func alignedRow(r []string, widths []int, t bot.Table) string {
	var b strings.Builder
	for i, c := range r {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-columns(c))
		if right(t, i) {
			b.WriteString(pad + c)
		} else {
			b.WriteString(c + pad)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// columns is how wide text is in a fixed-width font: Chinese, Japanese and Korean characters take
// two columns, combining marks none.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func wide(r rune) bool {
	k := width.LookupRune(r).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}
