package bot

// maxMessage bounds the characters of one message; the platform's own bound is about 13,200.
const maxMessage = 9000

// maxRows bounds the rows of one table, its header apart.
const maxRows = 60

// slash is how people address the bot.
const slash = "/recycle "

// builder puts a message together in one language.
type builder struct {
	l Locale
	m Message
}

func (b *builder) add(x Block) { b.m.Blocks = append(b.m.Blocks, x) }

// summary is the one sentence that notifications and screen readers get.
func (b *builder) summary(k key, a args) { b.m.Summary = b.l.text(k, a) }

func (b *builder) header(k key, a args) {
	b.add(Block{Header: clip(b.l.text(k, a), 140)})
}

func (b *builder) text(spans ...Span) { b.add(Block{Text: spans}) }

func (b *builder) say(k key, a args) { b.text(b.l.say(k, a)...) }

func (b *builder) context(spans ...Span) { b.add(Block{Context: spans}) }

func (b *builder) code(s string) { b.add(Block{Code: s}) }

func (b *builder) buttons(bs ...Button) {
	if len(bs) > 0 {
		b.add(Block{Actions: bs})
	}
}

// field is one labelled value.
func (b *builder) field(k key, value ...Span) Field {
	return Field{Label: b.l.text(k, nil), Value: value}
}

// table adds a table of at most limit rows and says how many were left out.
func (b *builder) table(t Table, limit int, more key) {
	limit = min(limit, maxRows)
	rows, cost := 0, 0
	for _, r := range t.Rows {
		for i := range r {
			r[i] = clip(r[i], 80)
			cost += len([]rune(r[i]))
		}
		if rows == limit || cost > maxMessage*2/3 {
			break
		}
		rows++
	}
	left := len(t.Rows) - rows
	t.Rows = t.Rows[:rows]
	b.add(Block{Table: &t})
	if left > 0 {
		b.context(b.l.count(more, left, nil)...)
	}
}

// join puts a separator between groups of spans.
func join(sep string, groups ...[]Span) []Span {
	var out []Span
	for _, g := range groups {
		if len(g) == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, plain(sep))
		}
		out = append(out, g...)
	}
	return out
}

// notice is a whole message of one sentence.
func notice(l Locale, k key, a args) Message {
	b := &builder{l: l}
	b.summary(k, a)
	b.say(k, a)
	return b.m
}
