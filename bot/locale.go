package bot

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/approvals"
)

// Locale is a language of the catalog.
type Locale string

// The languages. English is used where nothing else is known.
const (
	English Locale = "en"
	Chinese Locale = "zh"
)

// LocaleOf maps a locale as chat platforms report it (zh-CN, zh_TW, en-GB) to a language of the catalog.
func LocaleOf(s string) Locale {
	if s = strings.ToLower(s); s == "zh" || strings.HasPrefix(s, "zh-") || strings.HasPrefix(s, "zh_") {
		return Chinese
	}
	return English
}

// key names one text of the catalog. A text holds {names} that args fill; singular and plural
// forms are separated by "|" where English needs them.
type key string

// args fill the names of a text.
type args map[string]Span

// catalog holds every text in every language.
var catalog = map[Locale]map[key]string{English: english, Chinese: chinese}

var (
	english = joined(englishMain, englishSchedules, englishScreens, englishRules)
	chinese = joined(chineseMain, chineseSchedules, chineseScreens, chineseRules)
)

// joined is one catalog of several files.
func joined(parts ...map[key]string) map[key]string {
	all := map[key]string{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

// template returns a text; a language that misses it falls back to English.
func (l Locale) template(k key) string {
	if t, ok := catalog[l][k]; ok {
		return t
	}
	return english[k]
}

// say renders a text to spans.
func (l Locale) say(k key, a args) []Span { return fill(l.template(k), a) }

// text renders a text to plain words.
func (l Locale) text(k key, a args) string { return flat(l.say(k, a)) }

// count renders a text that depends on a number, which it names {n}.
func (l Locale) count(k key, n int, a args) []Span {
	one, many, ok := strings.Cut(l.template(k), "|")
	t := one
	if ok && n != 1 {
		t = many
	}
	with := args{"n": plain(strconv.Itoa(n))}
	for name, s := range a {
		with[name] = s
	}
	return fill(t, with)
}

// fill replaces {names}; an unknown name stays visible, so that a mistake is seen.
func fill(t string, a args) []Span {
	var out []Span
	add := func(s Span) {
		if s.Text != "" || s.User != "" || s.Group != "" || s.Channel != "" || !s.Time.IsZero() || s.Emoji != "" {
			out = append(out, s)
		}
	}
	for t != "" {
		open := strings.IndexByte(t, '{')
		end := strings.IndexByte(t, '}')
		if open < 0 || end < open {
			add(plain(t))
			break
		}
		s, ok := a[t[open+1:end]]
		if !ok {
			s = plain(t[open : end+1])
		}
		add(plain(t[:open]))
		add(s)
		t = t[end+1:]
	}
	return out
}

// flat is the words of spans without their form.
func flat(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(wordsOf(s))
	}
	return b.String()
}

// wordsOf is one span in words.
func wordsOf(s Span) string {
	switch {
	case s.Emoji != "" && s.Text == "":
		return ""
	case s.User != "":
		if s.Text == "" {
			return "@" + s.User
		}
		return "@" + s.Text
	case s.Group != "" && s.Text == "":
		return "@" + s.Group
	case s.Channel != "" && s.Text == "":
		return "#" + s.Channel
	case !s.Time.IsZero() && s.Text == "":
		return stamp(s.Time)
	}
	return s.Text
}

// stamp is a time for readers whose zone is not known.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func plain(s string) Span { return Span{Text: s} }
func bold(s string) Span  { return Span{Text: s, Bold: true} }

// code is a name or a text of somebody else's making: cut, and never read as formatting.
func code(s string) Span { return Span{Text: clip(s, 300), Code: true} }

func when(t time.Time) Span { return Span{Time: t, Text: stamp(t)} }

// mention names a person so that the platform tells them; policy and schedules are no people.
func mention(a approvals.Actor) Span {
	if _, is := a.Schedule(); is || a.ID == "" || a.ID == "policy" {
		return plain(a.Name)
	}
	return Span{User: a.ID, Text: a.Name}
}

func emoji(name string) Span { return Span{Emoji: name} }
