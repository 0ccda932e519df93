package bot

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds what is parsed: a slash command is at most a few hundred characters, and the
// line comes back on cards.
const maxLine = 1500

// token is one word of a command line. Pos is where it began in the normalised line (a byte
// offset, for the caret); eq is the byte offset of the first unquoted "=" in text, or -1.
type token struct {
	text   string
	pos    int
	eq     int
	quoted bool // began with a quote: never a flag
}

// slackToken is what Slack makes of links, people, channels and groups when it escapes a command.
var slackToken = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)

// entities are the only three that Slack writes.
var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// Normalise undoes what chat clients do to a command line: auto-links, HTML entities, smart
// quotes, exotic spaces, invisible characters and backticks. Dashes are left to the splitter,
// because what they mean depends on where they stand.
func Normalise(line string) string {
	if !utf8.ValidString(line) {
		line = strings.ToValidUTF8(line, "")
	}
	line = slackToken.ReplaceAllStringFunc(line, unwrap)
	line = entities.Replace(line)
	return strings.TrimSpace(strings.Map(plainRune, line))
}

// unwrap gives back what a person typed before Slack made a token of it.
func unwrap(tok string) string {
	m := slackToken.FindStringSubmatch(tok)
	ref, label := m[1], m[2]
	if ref == "" {
		return tok
	}
	switch ref[0] {
	case '@', '#', '!':
		return unwrapRef(ref, label)
	}
	if label != "" {
		return label
	}
	ref = strings.TrimPrefix(ref, "mailto:")
	if _, rest, ok := strings.Cut(ref, "://"); ok {
		ref, _, _ = strings.Cut(rest, "/")
	}
	return ref
}

// unwrapRef names a person, channel or group without its id where Slack gave a label.
func unwrapRef(ref, label string) string {
	if label == "" {
		if ref[0] == '!' {
			return "@" + strings.TrimPrefix(ref[1:], "subteam^")
		}
		return ref
	}
	if ref[0] == '#' {
		return "#" + label
	}
	return "@" + strings.TrimPrefix(label, "@")
}

// plainRune maps one character to what a terminal user would have typed; -1 drops it.
func plainRune(r rune) rune {
	switch r {
	case '“', '”', '„', '‟', '«', '»', '＂':
		return '"'
	case '‘', '’', '‚', '‛', '＇':
		return '\''
	case '`', '\uFEFF', '\u00AD', '\u2060', '\u180E':
		return -1
	case '\n', '\r', '\t':
		return ' '
	}
	if unicode.IsSpace(r) {
		return ' '
	}
	if invisible(r) {
		return -1
	}
	return r
}

// invisible reports control characters, zero-width characters and the marks that reorder text.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
}

// isEm reports the dashes that clients make of "--".
func isEm(r rune) bool { return r == '—' || r == '―' || r == '⸺' || r == '⸻' }

// isHyphen reports the characters that stand for one "-".
func isHyphen(r rune) bool {
	return r == '-' || r == '–' || r == '−' || r == '‐' || r == '‑' || r == '－'
}

// split cuts a normalised line into words as a shell would. The error is a *Misread that points
// at the quote which was never closed.
func split(line string) ([]token, error) {
	s := splitter{line: line}
	for i, r := range line {
		s.take(i, r)
	}
	if s.quote != 0 {
		return nil, &Misread{key: kUnclosedQuote, Line: line, Pos: s.quotePos, caret: true}
	}
	s.end()
	return s.out, nil
}

// splitter is the state of split.
type splitter struct {
	line     string
	out      []token
	buf      strings.Builder
	active   bool
	quoted   bool
	escaped  bool
	emStart  bool // only an em dash was read so far: further dashes belong to it
	start    int
	eq       int
	quote    rune
	quotePos int
}

// take reads the character at byte offset i.
func (s *splitter) take(i int, r rune) {
	switch {
	case s.escaped:
		s.escaped = false
		s.buf.WriteRune(r)
	case s.quote != 0:
		s.takeQuoted(i, r)
	case r == ' ':
		s.end()
	default:
		s.takePlain(i, r)
	}
}

// takeQuoted reads inside quotes, where only the closing quote and, in double quotes, \" and \\ mean something.
func (s *splitter) takeQuoted(i int, r rune) {
	switch {
	case r == s.quote:
		s.quote = 0
	case r == '\\' && s.quote == '"' && i+1 < len(s.line) && (s.line[i+1] == '"' || s.line[i+1] == '\\'):
		s.escaped = true
	default:
		s.buf.WriteRune(r)
	}
}

// takePlain reads outside quotes.
func (s *splitter) takePlain(i int, r rune) {
	first := !s.active
	if first {
		s.active, s.start, s.eq, s.quoted, s.emStart = true, i, -1, false, false
	}
	em := s.emStart
	s.emStart = false
	switch {
	case r == '"' || r == '\'':
		s.quote, s.quotePos = r, i
		s.quoted = s.quoted || first
	case r == '\\' && i+1 < len(s.line):
		s.escaped = true
		s.quoted = s.quoted || first
	case isEm(r) && first:
		s.emStart = true
		s.buf.WriteString("--")
	case (isEm(r) || isHyphen(r)) && em:
		s.emStart = true
	case isHyphen(r):
		s.buf.WriteByte('-')
	case r == '=' && s.eq < 0:
		s.eq = s.buf.Len()
		s.buf.WriteByte('=')
	default:
		s.buf.WriteRune(r)
	}
}

// end closes the word that is being read, if any.
func (s *splitter) end() {
	if !s.active {
		return
	}
	s.out = append(s.out, token{text: s.buf.String(), pos: s.start, eq: s.eq, quoted: s.quoted})
	s.buf.Reset()
	s.active = false
}
