package demo

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"mysql-recycler/bot/sandbox"
)

// transcript prints the channel as its members saw it: parents in order, threads indented,
// answers only one person saw marked.
func (s *story) transcript(ctx context.Context) error {
	ms, err := s.client.Messages(context.WithoutCancel(ctx), "#db-ops")
	if err != nil {
		return fmt.Errorf("read the channel: %w", err)
	}
	s.say("\n── #db-ops ─────────────────────────────────────────────")
	for _, m := range ms {
		if m.ThreadTS != "" && m.ThreadTS != m.TS {
			continue
		}
		if m.Version > 1 { // what people decided on, before the card told the outcome
			vs, err := s.client.Edits(context.WithoutCancel(ctx), m.TS)
			if err != nil {
				return fmt.Errorf("read the first version of %s: %w", m.TS, err)
			}
			s.print(vs[0], "")
		}
		s.print(m, "")
		for _, r := range ms {
			if r.ThreadTS == m.TS && r.TS != m.TS {
				s.print(r, "    │ ")
			}
		}
	}
	return nil
}

func (s *story) print(m sandbox.Message, indent string) {
	who := people[m.User]
	if m.FromBot {
		who = "recycle"
	}
	if m.For != "" {
		who += " (only " + people[m.For] + " sees this)"
	}
	switch {
	case m.Version == 2:
		who += " (edited once)"
	case m.Version > 2:
		who += fmt.Sprintf(" (edited %d times)", m.Version-1)
	}
	s.say("%s", indent)
	s.say("%s%s", indent, who)
	for _, f := range m.Files {
		s.say("%s  [picture %s] %s", indent, f.Name, f.AltText)
	}
	for _, line := range strings.Split(text(m), "\n") {
		if strings.TrimSpace(line) != "" {
			s.say("%s  %s", indent, line)
		}
	}
}

// people are the demo's users by id.
var people = map[string]string{"U0ALICE": "alice", "U0BOB": "bob", "U0CAROL": "carol", "U0DAVE": "dave"}

// text is a message as plain text, laid out as it is on the page.
func text(m sandbox.Message) string {
	if len(m.Blocks) == 0 {
		return m.Text
	}
	var b strings.Builder
	for _, bl := range m.Blocks {
		block(&b, object(bl))
	}
	return b.String()
}

type obj = map[string]any

func object(v any) obj   { o, _ := v.(obj); return o }
func list(v any) []any   { l, _ := v.([]any); return l }
func str(v any) string   { s, _ := v.(string); return s }
func inner(v any) string { return str(object(v)["text"]) }

// block writes one Block Kit block.
func block(b *strings.Builder, o obj) {
	switch str(o["type"]) {
	case "header":
		fmt.Fprintf(b, "%s\n", inner(o["text"]))
	case "section":
		if t := spoken(inner(o["text"])); t != "" {
			fmt.Fprintf(b, "%s\n", t)
		}
		for _, f := range list(o["fields"]) {
			fmt.Fprintf(b, "%s\n", strings.ReplaceAll(spoken(inner(f)), "\n", ": "))
		}
	case "context":
		for _, e := range list(o["elements"]) {
			fmt.Fprintf(b, "%s\n", spoken(inner(e)))
		}
	case "actions":
		for _, e := range list(o["elements"]) {
			fmt.Fprintf(b, "[ %s ] ", inner(object(e)["text"]))
		}
		b.WriteByte('\n')
	case "table":
		table(b, list(o["rows"]))
	case "rich_text":
		for _, e := range list(o["elements"]) {
			rich(b, object(e))
		}
	}
}

var (
	dates = regexp.MustCompile(`<!date\^[^|>]*\|([^>]*)>`)
	marks = strings.NewReplacer("*", "", "`", "", "&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// spoken is mrkdwn as it reads, without its marks.
func spoken(s string) string { return marks.Replace(dates.ReplaceAllString(s, "$1")) }

// rich writes one part of a rich text block.
func rich(b *strings.Builder, o obj) {
	if str(o["type"]) == "rich_text_list" {
		for _, e := range list(o["elements"]) {
			b.WriteString("• ")
			rich(b, object(e))
		}
		return
	}
	for _, e := range list(o["elements"]) {
		b.WriteString(leaf(object(e)))
	}
	b.WriteByte('\n')
}

// leaf is one run of rich text.
func leaf(o obj) string {
	switch str(o["type"]) {
	case "user":
		return "@" + people[str(o["user_id"])]
	case "emoji":
		return ":" + str(o["name"]) + ":"
	case "date":
		if ts, ok := o["timestamp"].(float64); ok {
			return time.Unix(int64(ts), 0).UTC().Format("15:04:05 UTC")
		}
		return str(o["fallback"])
	}
	return str(o["text"])
}

// table writes rows with aligned columns.
func table(b *strings.Builder, rows []any) {
	var cells [][]string
	width := map[int]int{}
	for _, r := range rows {
		var line []string
		for i, c := range list(r) {
			t := cell(object(c))
			width[i] = max(width[i], utf8.RuneCountInString(t))
			line = append(line, t)
		}
		cells = append(cells, line)
	}
	for _, line := range cells {
		for i, t := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(t))
			if i == 0 {
				b.WriteString(t + pad)
			} else {
				b.WriteString("  " + pad + t)
			}
		}
		b.WriteByte('\n')
	}
}

// cell is the text of one table cell, raw or rich.
func cell(o obj) string {
	if str(o["type"]) != "rich_text" {
		return str(o["text"])
	}
	var b strings.Builder
	for _, e := range list(o["elements"]) {
		rich(&b, object(e))
	}
	return strings.TrimSpace(b.String())
}
