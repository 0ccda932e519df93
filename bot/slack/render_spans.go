package slack

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	sdk "github.com/slack-go/slack"

	"mysql-recycler/bot"
)

// dateFormat shows a time in the reader's zone: "Today at 14:02".
const dateFormat = "{date_short_pretty} {time}"

var (
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]{1,40}$`)
	groupID   = regexp.MustCompile(`^S[A-Z0-9]{1,40}$`)
	channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{1,40}$`)
	emojiName = regexp.MustCompile(`^[a-z0-9_+'-]{1,60}$`)
)

// link returns the target when it is a plain web address; anything else is shown as text.
func link(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || size(raw) > maxURL {
		return "", false
	}
	return u.String(), true
}

// fallback is what a time reads as where it cannot be drawn in the reader's zone.
func fallback(sp bot.Span) string {
	if t := strings.TrimSpace(line(sp.Text)); t != "" {
		return t
	}
	return sp.Time.UTC().Format("2006-01-02 15:04 UTC")
}

// drawable says whether a time can be a Slack date: a timestamp in the range of its clients.
func drawable(t time.Time) bool { return t.Unix() > 0 && t.Year() < 3000 }

// leaves turns spans into rich text leaves, which Slack never parses. At most n units are used.
func leaves(spans []bot.Span, n int) ([]sdk.RichTextSectionElement, int) {
	var out []sdk.RichTextSectionElement
	used := 0
	for _, sp := range spans {
		if used >= n {
			break
		}
		el, cost := leaf(sp, n-used)
		if el == nil {
			continue
		}
		used += cost
		out = append(out, el)
	}
	return out, used
}

func leaf(sp bot.Span, n int) (sdk.RichTextSectionElement, int) {
	var style *sdk.RichTextSectionTextStyle
	if sp.Bold || sp.Code {
		style = &sdk.RichTextSectionTextStyle{Bold: sp.Bold, Code: sp.Code}
	}
	const entity = 24 // what a mention costs of the budget
	switch {
	case userID.MatchString(sp.User):
		return sdk.NewRichTextSectionUserElement(sp.User, nil), entity
	case groupID.MatchString(sp.Group):
		return sdk.NewRichTextSectionUserGroupElement(sp.Group), entity
	case channelID.MatchString(sp.Channel):
		return sdk.NewRichTextSectionChannelElement(sp.Channel, nil), entity
	case !sp.Time.IsZero() && drawable(sp.Time):
		fb := cut(fallback(sp), 100)
		return sdk.NewRichTextSectionDateElement(sp.Time.Unix(), dateFormat, nil, &fb), size(fb) + entity
	case emojiName.MatchString(sp.Emoji):
		return sdk.NewRichTextSectionEmojiElement(sp.Emoji, 0, nil), entity
	}
	text := cut(clean(plain(sp)), min(n, maxText))
	if text == "" {
		return nil, 0
	}
	if to, ok := link(sp.Link); ok {
		return sdk.NewRichTextSectionLinkElement(to, text, style), size(text) + size(to)
	}
	return sdk.NewRichTextSectionTextElement(text, style), size(text)
}

// plain is a span as bare text: what remains when its target is not valid.
func plain(sp bot.Span) string {
	for _, s := range []string{sp.Text, sp.User, sp.Group, sp.Channel, sp.Link} {
		if s != "" {
			return s
		}
	}
	if !sp.Time.IsZero() {
		return fallback(sp)
	}
	return ""
}

// inline renders spans as mrkdwn, at most n units, for section fields and context, where Slack
// takes no rich text. Only mentions, dates and checked links are ever written as <…>.
func inline(spans []bot.Span, n int) string {
	var b strings.Builder
	for _, sp := range spans {
		left := n - size(b.String()) - 1
		if left <= 0 {
			break
		}
		s := inlineSpan(sp, left)
		if size(s) > left {
			continue
		}
		if touching(b.String(), s) {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}

// touching says whether a marker would stand inside a word, where Slack does not see it and shows
// what is between the markers as plain mrkdwn.
func touching(before, s string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(s)
	if before == "" || s == "" {
		return false
	}
	marker := func(r rune) bool { return r == '`' || r == '*' || r == ':' }
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	return word(last) && marker(next) && next != ':' || marker(last) && word(next) && last != ':' || marker(last) && marker(next)
}

func inlineSpan(sp bot.Span, n int) string {
	switch {
	case userID.MatchString(sp.User):
		return "<@" + sp.User + ">"
	case groupID.MatchString(sp.Group):
		return "<!subteam^" + sp.Group + ">"
	case channelID.MatchString(sp.Channel):
		return "<#" + sp.Channel + ">"
	case !sp.Time.IsZero() && drawable(sp.Time):
		fb := strings.TrimSpace(strings.NewReplacer("|", "/", "^", "").Replace(cut(fallback(sp), 60)))
		if fb == "" {
			fb = fallback(bot.Span{Time: sp.Time})
		}
		return fmt.Sprintf("<!date^%s^%s|%s>", strconv.FormatInt(sp.Time.Unix(), 10), dateFormat, escape(fb))
	case emojiName.MatchString(sp.Emoji):
		return ":" + sp.Emoji + ":"
	}
	text := clean(plain(sp))
	if text == "" {
		return ""
	}
	if to, ok := link(sp.Link); ok && !strings.ContainsAny(to, "|<>") {
		label := strings.ReplaceAll(line(text), "|", "/")
		return "<" + escape(to) + "|" + cutEscaped(label, 200) + ">"
	}
	switch {
	case sp.Code:
		return codeSpan(text, n)
	case sp.Bold && !formatting.MatchString(text) && strings.TrimSpace(text) == text && n > 2:
		return "*" + cutEscaped(text, n-2) + "*"
	}
	lead, trail := text[:len(text)-len(strings.TrimLeft(text, " \n"))], text[len(strings.TrimRight(text, " \n")):]
	if strings.TrimSpace(text) == "" {
		return cut(text, n)
	}
	return lead + mrkdwn(strings.TrimSpace(text), n-len(lead)-len(trail)) + trail
}
