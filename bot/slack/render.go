package slack

import (
	"strconv"
	"strings"

	sdk "github.com/slack-go/slack"

	"mysql-recycler/bot"
)

// drawing turns one bot.Message into blocks within Slack's limits. Buttons and headers are kept;
// long text gives way, because a card without its buttons cannot be used at all.
type drawing struct {
	blocks  []sdk.Block
	left    int // characters still allowed for everything that can be cut
	buttons int // characters still allowed for buttons
	title   string
	table   bool
	actions map[string]int
}

// draw renders a message: its top-level text and its blocks. It never fails: what Slack would
// refuse is cut or left out.
func draw(m bot.Message) (string, []sdk.Block) {
	return drawWithin(m, maxBlocks)
}

func drawWithin(m bot.Message, limit int) (string, []sdk.Block) {
	d := drawing{left: maxTotal * 2 / 3, buttons: maxTotal / 3, title: title(m), actions: map[string]int{}}
	for _, b := range m.Blocks {
		d.block(b)
	}
	d.blocks = fit(d.blocks, limit)
	return summary(m, d.title), d.blocks
}

// summary is the complete sentence for notifications and screen readers, which read nothing else.
func summary(m bot.Message, title string) string {
	for _, s := range []string{m.Summary, title} {
		if s = strings.TrimSpace(line(s)); s != "" {
			return cutEscaped(s, maxSummary)
		}
	}
	return "A message from the recycler."
}

func title(m bot.Message) string {
	for _, b := range m.Blocks {
		if t := strings.TrimSpace(line(b.Header)); t != "" {
			return t
		}
	}
	return strings.TrimSpace(line(m.Summary))
}

// fit keeps at most limit blocks: actions stay, the rest goes from the end, and says so.
func fit(blocks []sdk.Block, limit int) []sdk.Block {
	if len(blocks) <= limit {
		return blocks
	}
	actions := 0
	for _, b := range blocks {
		if b.BlockType() == sdk.MBTAction {
			actions++
		}
	}
	actions = min(actions, limit-1)
	others := limit - 1 - actions
	out := make([]sdk.Block, 0, limit)
	dropped := 0
	for _, b := range blocks {
		switch {
		case b.BlockType() == sdk.MBTAction && actions > 0:
			actions--
			out = append(out, b)
		case b.BlockType() != sdk.MBTAction && others > 0:
			others--
			out = append(out, b)
		default:
			dropped++
		}
	}
	note := plainText(strconv.Itoa(dropped) + " more parts do not fit into one message.")
	return append(out, sdk.NewContextBlock("", note))
}

func plainText(s string) *sdk.TextBlockObject {
	return sdk.NewTextBlockObject(sdk.PlainTextType, s, false, false)
}

func (d *drawing) add(b sdk.Block, cost int) {
	d.blocks = append(d.blocks, b)
	d.left -= cost
}

func (d *drawing) block(b bot.Block) {
	if h := strings.TrimSpace(line(b.Header)); h != "" {
		h = cut(h, maxHeader)
		d.add(sdk.NewHeaderBlock(plainText(h)), size(h))
	}
	if els, used := leaves(b.Text, min(d.left, maxText)); len(els) > 0 {
		d.add(sdk.NewRichTextBlock("", sdk.NewRichTextSection(els...)), used)
	}
	d.fields(b.Fields)
	d.code(b.Code)
	if b.Table != nil {
		d.drawTable(*b.Table)
	}
	d.context(b.Context)
	d.drawActions(b.Actions)
	if b.Divider {
		d.add(sdk.NewDividerBlock(), 0)
	}
}

func (d *drawing) fields(fields []bot.Field) {
	for len(fields) > 0 {
		n := min(len(fields), maxFields)
		var objs []*sdk.TextBlockObject
		for _, f := range fields[:n] {
			text := field(f, min(d.left, maxField))
			if text == "" {
				continue
			}
			d.left -= size(text)
			objs = append(objs, sdk.NewTextBlockObject(sdk.MarkdownType, text, false, true))
		}
		if len(objs) > 0 {
			d.add(sdk.NewSectionBlock(nil, objs, nil), 0)
		}
		fields = fields[n:]
	}
}

// field is a bold label over its value.
func field(f bot.Field, n int) string {
	label := strings.TrimSpace(line(f.Label))
	if label != "" {
		label = inlineSpan(bot.Span{Text: cut(label, 200), Bold: true}, n)
	}
	value := strings.TrimSpace(inline(f.Value, n-size(label)-1))
	switch {
	case label == "" || size(label) > n:
		return value
	case value == "":
		return label
	}
	return label + "\n" + value
}

func (d *drawing) code(s string) {
	s = strings.TrimRight(clean(s), "\n ")
	s = cutLines(s, min(d.left, maxText))
	if strings.TrimSpace(s) == "" {
		return
	}
	leaf := sdk.NewRichTextSectionTextElement(s, nil)
	pre := &sdk.RichTextPreformatted{Type: sdk.RTEPreformatted, Elements: []sdk.RichTextSectionElement{leaf}}
	d.add(sdk.NewRichTextBlock("", pre), size(s))
}

// cutLines shortens preformatted text at a line's end when there is one.
func cutLines(s string, n int) string {
	short := cut(s, n)
	if short == s {
		return s
	}
	if i := strings.LastIndexByte(short, '\n'); i > 0 && n > 20 {
		return short[:i] + "\n" + ellipsis
	}
	return short
}

func (d *drawing) context(spans []bot.Span) {
	n := min(d.left, maxField)
	var obj *sdk.TextBlockObject
	if bare(spans) {
		var b strings.Builder
		for _, sp := range spans {
			b.WriteString(clean(sp.Text))
		}
		obj = plainText(cut(strings.TrimSpace(b.String()), n))
	} else {
		obj = sdk.NewTextBlockObject(sdk.MarkdownType, strings.TrimSpace(inline(spans, n)), false, true)
	}
	if obj.Text != "" {
		d.add(sdk.NewContextBlock("", obj), size(obj.Text))
	}
}

// bare says whether spans are nothing but text, which Slack can take without parsing it.
func bare(spans []bot.Span) bool {
	for _, sp := range spans {
		if sp.Bold || sp.Code || sp.User != "" || sp.Group != "" || sp.Channel != "" || !sp.Time.IsZero() || sp.Link != "" || sp.Emoji != "" {
			return false
		}
	}
	return true
}

func (d *drawing) drawActions(buttons []bot.Button) {
	var els []sdk.BlockElement
	flush := func() {
		if len(els) > 0 {
			d.blocks = append(d.blocks, sdk.NewActionBlock("", els...))
		}
		els = nil
	}
	for _, b := range buttons {
		el, cost := d.button(b)
		if el == nil || cost > d.buttons {
			continue
		}
		d.buttons -= cost
		if els = append(els, el); len(els) == maxButtons {
			flush()
		}
	}
	flush()
}

// again separates an action from its number when the same action is on a message twice: Slack
// wants the ids of one message unique.
const again = "~"

// button draws one button; a value that cannot come back unchanged makes it nil.
func (d *drawing) button(b bot.Button) (*sdk.ButtonBlockElement, int) {
	if b.Action == "" || size(b.Action) > maxID-8 || size(b.Value) > maxValue {
		return nil, 0
	}
	id := b.Action
	if n := d.actions[id]; n > 0 {
		id += again + strconv.Itoa(n+1)
	}
	d.actions[b.Action]++
	label := strings.TrimSpace(line(b.Label))
	if label == "" {
		label = line(b.Action)
	}
	el := sdk.NewButtonBlockElement(id, b.Value, plainText(orDots(cut(label, maxLabel))))
	el.AccessibilityLabel = cut(label+": "+d.title, maxLabel)
	cost := size(label) + size(b.Value) + size(el.AccessibilityLabel)
	switch b.Style {
	case "primary":
		el.Style = sdk.StylePrimary
	case "danger":
		el.Style = sdk.StyleDanger
	}
	if c := b.Confirm; c != nil {
		part := func(s, instead string, n int) *sdk.TextBlockObject {
			if s = strings.TrimSpace(clean(s)); s == "" {
				s = instead
			}
			s = cut(s, n)
			cost += size(s)
			return plainText(orDots(s))
		}
		el.Confirm = sdk.NewConfirmationBlockObject(part(c.Title, label, maxConfirm), part(c.Text, d.title, maxConfirmText),
			part(c.Yes, "Yes", maxConfirmBtn), part(c.No, "No", maxConfirmBtn))
		el.Confirm.Style = el.Style
	}
	return el, cost
}

func orDots(s string) string {
	if strings.TrimSpace(s) == "" {
		return ellipsis
	}
	return s
}

// action is the name a button was made with.
func action(id string) string {
	if i := strings.LastIndex(id, again); i > 0 {
		if _, err := strconv.Atoi(id[i+1:]); err == nil {
			return id[:i]
		}
	}
	return id
}
