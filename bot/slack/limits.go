package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/slack-go/slack"
)

// Limits of Block Kit (docs.slack.dev/reference/block-kit). Where the documentation gives none,
// the number is ours and says so.
const (
	maxBlocks      = 50
	maxViewBlocks  = 100
	maxText        = 3000
	maxField       = 2000
	maxFields      = 10
	maxHeader      = 150
	maxContext     = 10
	maxButtons     = 25
	maxLabel       = 75
	maxValue       = 2000
	maxID          = 255
	maxURL         = 3000
	maxConfirm     = 100
	maxConfirmText = 300
	maxConfirmBtn  = 30
	maxRows        = 100
	maxCells       = 20
	maxOptions     = 100
	maxOption      = 75
	maxOptionValue = 150
	maxInputLabel  = 2000
	maxTitle       = 24
	maxMetadata    = 3000
	maxSummary     = 3000 // Slack cuts the top-level text at 40 000 and asks for 4000
	maxTotal       = 9500 // undocumented msg_blocks_too_long near 13 200
)

// checkBlocks names everything in blocks that Slack would refuse. It reads the JSON that will be
// sent, not the values it came from, so a wrong tag is found too.
func checkBlocks(blocks []sdk.Block, limit int) error {
	raw, err := json.Marshal(blocks)
	if err != nil {
		return fmt.Errorf("encode blocks: %w", err)
	}
	var tree []node
	if err := json.Unmarshal(raw, &tree); err != nil {
		return fmt.Errorf("decode blocks: %w", err)
	}
	c := checker{ids: map[string]bool{}}
	c.need(len(tree) <= limit, "blocks: %d > %d", len(tree), limit)
	for i, b := range tree {
		c.block(fmt.Sprintf("blocks/%d", i), b)
	}
	c.need(c.tables <= 1, "blocks: %d tables > 1", c.tables)
	c.need(c.total <= 2*maxTotal, "blocks: %d characters in all", c.total) // the renderer keeps to maxTotal
	return errors.Join(c.bad...)
}

// node is one JSON object.
type node map[string]any

func (n node) text(key string) string { s, _ := n[key].(string); return s }

func (n node) child(key string) node { m, _ := n[key].(map[string]any); return m }

func (n node) list(key string) []node {
	items, _ := n[key].([]any)
	out := make([]node, 0, len(items))
	for _, it := range items {
		m, _ := it.(map[string]any)
		out = append(out, m)
	}
	return out
}

type checker struct {
	bad    []error
	ids    map[string]bool
	tables int
	total  int
}

func (c *checker) need(ok bool, format string, args ...any) {
	if !ok {
		c.bad = append(c.bad, fmt.Errorf(format, args...))
	}
}

// length checks a required text of 1 to limit characters.
func (c *checker) length(at, s string, limit int) {
	n := size(s)
	c.total += n
	c.need(n >= 1 && n <= limit, "%s: %d characters, allowed 1 to %d", at, n, limit)
}

func (c *checker) object(at string, n node, limit int, kinds ...string) {
	if n == nil {
		c.need(false, "%s: missing", at)
		return
	}
	c.need(slices.Contains(kinds, n.text("type")), "%s: type %q", at, n.text("type"))
	c.length(at, n.text("text"), limit)
	if n.text("type") == sdk.MarkdownType {
		verbatim, _ := n["verbatim"].(bool)
		c.need(verbatim, "%s: mrkdwn that is not verbatim", at)
	}
}

func (c *checker) id(at, id string, required bool) {
	c.need(size(id) <= maxID && (id != "" || !required), "%s: id of %d characters", at, size(id))
	if id != "" {
		c.need(!c.ids[at+id], "%s: id %q twice", at, id)
		c.ids[at+id] = true
	}
}

func (c *checker) block(at string, b node) {
	c.id("block_id", b.text("block_id"), false)
	switch b.text("type") {
	case "header":
		c.object(at, b.child("text"), maxHeader, sdk.PlainTextType)
	case "section":
		c.section(at, b)
	case "context":
		els := b.list("elements")
		c.need(len(els) >= 1 && len(els) <= maxContext, "%s: %d elements", at, len(els))
		for _, e := range els {
			c.object(at, e, maxText, sdk.PlainTextType, sdk.MarkdownType)
		}
	case "actions":
		els := b.list("elements")
		c.need(len(els) >= 1 && len(els) <= maxButtons, "%s: %d buttons", at, len(els))
		for _, e := range els {
			c.button(at, e)
		}
	case "rich_text":
		c.rich(at, b)
	case "table":
		c.table(at, b)
	case "input":
		c.input(at, b)
	case "divider":
	default:
		c.need(false, "%s: unknown type %q", at, b.text("type"))
	}
}

func (c *checker) section(at string, b node) {
	fields := b.list("fields")
	c.need(len(fields) <= maxFields, "%s: %d fields", at, len(fields))
	if b["text"] != nil || len(fields) == 0 {
		c.object(at, b.child("text"), maxText, sdk.PlainTextType, sdk.MarkdownType)
	}
	for _, f := range fields {
		c.object(at, f, maxField, sdk.PlainTextType, sdk.MarkdownType)
	}
}

func (c *checker) button(at string, e node) {
	c.need(e.text("type") == "button", "%s: element %q", at, e.text("type"))
	c.object(at, e.child("text"), maxLabel, sdk.PlainTextType)
	c.id("action_id", e.text("action_id"), true)
	c.need(size(e.text("value")) <= maxValue, "%s: value too long", at)
	c.need(size(e.text("accessibility_label")) <= maxLabel, "%s: accessibility label too long", at)
	c.need(slices.Contains([]string{"", "primary", "danger"}, e.text("style")), "%s: style %q", at, e.text("style"))
	c.total += size(e.text("value"))
	if d := e.child("confirm"); d != nil {
		c.object(at, d.child("title"), maxConfirm, sdk.PlainTextType)
		c.object(at, d.child("text"), maxConfirmText, sdk.PlainTextType)
		c.object(at, d.child("confirm"), maxConfirmBtn, sdk.PlainTextType)
		c.object(at, d.child("deny"), maxConfirmBtn, sdk.PlainTextType)
	}
}

func (c *checker) rich(at string, b node) {
	els := b.list("elements")
	c.need(len(els) >= 1, "%s: empty", at)
	for _, e := range els {
		leaves := e.list("elements")
		c.need(len(leaves) >= 1, "%s: empty section", at)
		for _, l := range leaves {
			c.leaf(at, l)
		}
	}
}

func (c *checker) leaf(at string, l node) {
	switch l.text("type") {
	case "text":
		c.length(at, l.text("text"), maxTotal)
	case "link":
		c.length(at, l.text("url"), maxURL)
		c.need(strings.HasPrefix(l.text("url"), "http"), "%s: link %q", at, l.text("url"))
	case "user":
		c.need(userID.MatchString(l.text("user_id")), "%s: user %q", at, l.text("user_id"))
	case "usergroup":
		c.need(groupID.MatchString(l.text("usergroup_id")), "%s: user group %q", at, l.text("usergroup_id"))
	case "channel":
		c.need(channelID.MatchString(l.text("channel_id")), "%s: channel %q", at, l.text("channel_id"))
	case "emoji":
		c.need(emojiName.MatchString(l.text("name")), "%s: emoji %q", at, l.text("name"))
	case "date":
		c.length(at, l.text("fallback"), maxText)
		_, number := l["timestamp"].(float64)
		c.need(number && l.text("format") != "", "%s: date", at)
	default:
		c.need(false, "%s: leaf %q", at, l.text("type"))
	}
}

func (c *checker) table(at string, b node) {
	c.tables++
	rows, _ := b["rows"].([]any)
	c.need(len(rows) >= 1 && len(rows) <= maxRows, "%s: %d rows", at, len(rows))
	for _, r := range rows {
		cells, _ := r.([]any)
		c.need(len(cells) >= 1 && len(cells) <= maxCells, "%s: %d cells", at, len(cells))
		for _, cell := range cells {
			n, _ := cell.(map[string]any)
			c.need(node(n).text("type") == "raw_text", "%s: cell %q", at, node(n).text("type"))
			c.length(at, node(n).text("text"), maxText)
		}
	}
}

func (c *checker) input(at string, b node) {
	c.object(at, b.child("label"), maxInputLabel, sdk.PlainTextType)
	if b["hint"] != nil {
		c.object(at, b.child("hint"), maxInputLabel, sdk.PlainTextType)
	}
	e := b.child("element")
	c.id("action_id", e.text("action_id"), true)
	switch e.text("type") {
	case "plain_text_input":
		limit, ok := e["max_length"].(float64)
		c.need(!ok || (limit >= 1 && limit <= maxText), "%s: max_length %v", at, limit)
		c.need(size(e.text("initial_value")) <= maxText && (!ok || size(e.text("initial_value")) <= int(limit)), "%s: initial value too long", at)
	case "static_select":
		opts := e.list("options")
		c.need(len(opts) >= 1 && len(opts) <= maxOptions, "%s: %d options", at, len(opts))
		for _, o := range opts {
			c.object(at, o.child("text"), maxOption, sdk.PlainTextType)
			c.length(at, o.text("value"), maxOptionValue)
		}
	case "external_select":
		if e["placeholder"] != nil {
			c.object(at, e.child("placeholder"), maxOption*2, sdk.PlainTextType)
		}
		if o := e.child("initial_option"); o != nil {
			c.object(at, o.child("text"), maxOption, sdk.PlainTextType)
			c.length(at, o.text("value"), maxOptionValue)
		}
	default:
		c.need(false, "%s: element %q", at, e.text("type"))
	}
}
