package bot

import (
	"strings"
)

// Text renders a message as plain text, for transcripts and terminals. What a name brings along,
// control characters and marks that reorder text, is dropped.
func Text(m Message) string {
	var b strings.Builder
	for _, x := range m.Blocks {
		writeBlock(&b, x)
	}
	if len(m.Blocks) == 0 {
		b.WriteString(tidy(m.Summary) + "\n")
	}
	return b.String()
}

func writeBlock(b *strings.Builder, x Block) {
	switch {
	case x.Header != "":
		b.WriteString("## " + tidy(x.Header) + "\n")
	case x.Text != nil:
		b.WriteString(line(x.Text) + "\n")
	case x.Fields != nil:
		for _, f := range x.Fields {
			b.WriteString("  " + tidy(f.Label) + ": " + line(f.Value) + "\n")
		}
	case x.Code != "":
		for l := range strings.SplitSeq(strings.TrimRight(x.Code, "\n"), "\n") {
			b.WriteString("    " + tidy(l) + "\n")
		}
	case x.Table != nil:
		writeTable(b, *x.Table)
	case x.Context != nil:
		b.WriteString("(" + line(x.Context) + ")\n")
	case x.Actions != nil:
		for i, a := range x.Actions {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString("[" + tidy(a.Label) + "]")
		}
		b.WriteByte('\n')
	case x.Divider:
		b.WriteString("----\n")
	}
}

// line is spans in one line; code is marked as chats do.
func line(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		w := wordsOf(s)
		switch {
		case s.Emoji != "" && s.Text == "":
			w = ":" + s.Emoji + ":"
		case s.Code:
			w = "`" + strings.ReplaceAll(w, "`", "'") + "`"
		}
		b.WriteString(w)
	}
	return tidyLines(b.String())
}

// writeTable aligns cells by their width on a terminal.
func writeTable(b *strings.Builder, t Table) {
	rows := append([][]string{t.Header}, t.Rows...)
	var widths []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(tidy(c)))
		}
	}
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, c := range r {
			c = tidy(c)
			pad := strings.Repeat(" ", widths[i]-columns(c))
			if i < len(t.Right) && t.Right[i] {
				cells[i] = pad + c
			} else {
				cells[i] = c + pad
			}
		}
		b.WriteString("  " + strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	}
}

// tidy keeps a text on one line and drops what cannot be seen.
func tidy(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case invisible(r):
			return -1
		}
		return r
	}, s)
}

// tidyLines is tidy that keeps the lines.
func tidyLines(s string) string {
	ls := strings.Split(s, "\n")
	for i := range ls {
		ls[i] = tidy(ls[i])
	}
	return strings.Join(ls, "\n")
}
