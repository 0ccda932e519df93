package slack

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
)

// ellipsis marks text that was cut.
const ellipsis = "…"

// clean removes what can make text look like something else: control characters, bidirectional
// overrides, zero-width and tag characters, invalid UTF-8. Newlines stay, a tab becomes a space.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t' || r == '\r':
			return ' '
		case r == '\u2028' || r == '\u2029':
			return '\n'
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u115F', r == '\u1160', r == '\u3164':
			return -1 // Cf holds U+200B-200F, U+202A-202E, U+2060-2069, U+FEFF, U+00AD and the tags
		}
		return r
	}, s)
}

// line is clean text on one line.
func line(s string) string { return strings.ReplaceAll(clean(s), "\n", " ") }

// size counts as Slack's own JavaScript does: UTF-16 units. It is never less than the number of
// runes, so a text within it is within either reading of "characters".
func size(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// cut shortens s to at most n units, on a rune boundary, ending in an ellipsis when shortened.
func cut(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if size(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		used += max(1, utf16.RuneLen(r))
		if used > n-1 {
			return s[:i] + ellipsis
		}
	}
	return s
}

// escape makes text inert in mrkdwn: the three characters Slack gives a meaning
// (docs.slack.dev/messaging/formatting-message-text#escaping).
func escape(s string) string { return escaper.Replace(s) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// cutEscaped escapes s and keeps at most n units of the result, never ending inside an entity.
func cutEscaped(s string, n int) string {
	full := escape(s)
	if size(full) <= n {
		return full
	}
	var b strings.Builder
	used := 0
	for _, r := range s {
		e := escape(string(r))
		if used += size(e); used > n-1 {
			break
		}
		b.WriteString(e)
	}
	if n > 0 {
		b.WriteString(ellipsis)
	}
	return b.String()
}

// formatting finds what mrkdwn would format and cannot be escaped: a marker that is not inside a
// word, a backtick, a quote at the start of a line, an emoji name.
var formatting = regexp.MustCompile("(?m)(^|[^\\pL\\pN])[*_~]|[*_~]($|[^\\pL\\pN])|`|^\\s*>|:[a-z0-9_+'-]+:")

// mrkdwn renders one run of plain text for a place where Slack allows nothing but mrkdwn. Text
// that would be formatted becomes a code span, where nothing is parsed.
func mrkdwn(s string, n int) string {
	if formatting.MatchString(s) {
		return codeSpan(s, n)
	}
	return cutEscaped(s, n)
}

// codeSpan puts s between backticks; backticks inside would end it and become U+02CB.
func codeSpan(s string, n int) string {
	s = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(s, "`", "ˋ"), "\n", " "))
	if s == "" || n < 3 {
		return ""
	}
	return "`" + cutEscaped(s, n-2) + "`"
}
