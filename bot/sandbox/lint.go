package sandbox

import (
	"net/url"
	"regexp"
	"strings"
)

// Lint is something Slack accepts and people regret: an unescaped broadcast, a
// mention that text smuggled in, a raw ampersand.
type Lint struct {
	Channel string `json:"channel,omitempty"`
	TS      string `json:"ts,omitempty"`
	Where   string `json:"where"` // text, or a pointer into the blocks
	Problem string `json:"problem"`
	Excerpt string `json:"excerpt"`
}

var (
	rawToken  = regexp.MustCompile(`<[^<>\n]*>`)
	entity    = regexp.MustCompile(`^&(amp|lt|gt);`)
	dateToken = regexp.MustCompile(`^!date\^-?\d+\^[^|^]+(\^[^|]+)?\|.+$`)
)

// LintText judges one mrkdwn text. known says whether an id that is mentioned
// (U…, C…, S…) exists; a mention of anything else was most likely smuggled in.
func LintText(text string, known func(id string) bool) []string {
	var out []string
	rest := rawToken.ReplaceAllStringFunc(text, func(tok string) string {
		if p := lintToken(tok[1:len(tok)-1], known); p != "" {
			out = append(out, p+" "+tok)
		}
		return ""
	})
	if strings.ContainsAny(rest, "<>") {
		// A leading > is a quote; anywhere else the sign must be an entity.
		for _, line := range strings.Split(rest, "\n") {
			if strings.ContainsAny(strings.TrimLeft(line, "> "), "<>") {
				out = append(out, "unescaped < or > in "+clip(line))
			}
		}
	}
	for i := strings.IndexByte(rest, '&'); i >= 0; {
		if !entity.MatchString(rest[i:]) {
			out = append(out, "unescaped & in "+clip(rest[i:]))
			break
		}
		j := strings.IndexByte(rest[i+1:], '&')
		if j < 0 {
			break
		}
		i += 1 + j
	}
	return out
}

func lintToken(tok string, known func(string) bool) string {
	name, label, _ := strings.Cut(tok, "|")
	switch {
	case name == "!channel", name == "!here", name == "!everyone":
		return "broadcast"
	case strings.HasPrefix(name, "!subteam^"):
		if !known(strings.TrimPrefix(name, "!subteam^")) {
			return "mention of an unknown group"
		}
	case strings.HasPrefix(name, "!date^"):
		if !dateToken.MatchString(tok) {
			return "malformed date"
		}
	case strings.HasPrefix(name, "@"), strings.HasPrefix(name, "#"):
		if !known(name[1:]) {
			return "mention of an unknown id"
		}
	case strings.HasPrefix(name, "https://"), strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "mailto:"):
		if spoofed(name, label) {
			return "link label names another host"
		}
	default:
		return "unescaped <"
	}
	return ""
}

// spoofed says whether a link shows one address and leads to another.
func spoofed(target, label string) bool {
	if !strings.HasPrefix(label, "http") {
		return false
	}
	a, err1 := url.Parse(target)
	b, err2 := url.Parse(label)
	return err1 != nil || err2 != nil || a.Host != b.Host
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

func (s *Server) known(id string) bool {
	return s.st.user(id) != nil || s.st.channels[id] != nil || s.st.group(id) != nil
}

// lint files findings about a message of the app; the caller holds Server.mu.
func (s *Server) lint(m *Message, c *call) {
	if !m.FromBot {
		return
	}
	add := func(where, problem, excerpt string) {
		s.st.ledger.lints = append(s.st.ledger.lints, Lint{m.Channel, m.TS, where, problem, clip(excerpt)})
	}
	for _, p := range LintText(m.Text, s.known) {
		add("text", p, m.Text)
	}
	s.lintBlocks("/blocks", m.Blocks, add)
	if c == nil {
		return
	}
	if c.flag("link_names") || c.str("parse") == "full" {
		add("arguments", "link_names or parse=full turns plain words into mentions", m.Text)
	}
	if m.Text == "" && len(m.Blocks) > 0 {
		add("text", "blocks without text: screen readers and notifications have nothing to say", "")
	}
}

func (s *Server) lintView(body obj) {
	s.lintBlocks("/view/blocks", list(body["blocks"]), func(where, problem, excerpt string) {
		s.st.ledger.lints = append(s.st.ledger.lints, Lint{"", "", where, problem, clip(excerpt)})
	})
}

// lintBlocks walks to every mrkdwn text object; other texts are not parsed by Slack.
func (s *Server) lintBlocks(at string, v any, add func(where, problem, excerpt string)) {
	switch x := v.(type) {
	case []any:
		for i, e := range x {
			s.lintBlocks(at+"/"+itoa(i), e, add)
		}
	case obj:
		if str(x["type"]) == "mrkdwn" {
			for _, p := range LintText(str(x["text"]), s.known) {
				add(at, p, str(x["text"]))
			}
			return
		}
		for k, e := range x {
			s.lintBlocks(at+"/"+k, e, add)
		}
	}
}
