package bot

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// phrase is a sentence of the engine, the guard or the approvals, which say it in English where it is
// known, and its translation. {} stands for a name or a number, which {1}, {2} … of the translation
// take up in any order. It holds neither "; " nor the end of a sentence.
type phrase struct{ english, chinese string }

// compiled is a phrase ready to be found.
type compiled struct {
	pattern *regexp.Regexp
	chinese string
	literal int // characters that must be there: the most exact phrase is tried first
}

var phrasebook = sync.OnceValue(func() []compiled {
	out := make([]compiled, len(phrases))
	for i, p := range phrases {
		parts := strings.Split(p.english, "{}")
		for n := range parts {
			parts[n] = regexp.QuoteMeta(parts[n])
		}
		out[i] = compiled{regexp.MustCompile(`(?s)^` + strings.Join(parts, `((?:[^;.]|\.[^ ])+?)`) + `$`), p.chinese, len(p.english) - 2*(len(parts)-1)}
	}
	slices.SortStableFunc(out, func(a, b compiled) int { return cmp.Compare(b.literal, a.literal) })
	return out
})

// words is a sentence from elsewhere in the reader's language, or several. What is not in the
// phrasebook, such as what a person wrote or a server answered, stays as it is.
func (l Locale) words(s string) string {
	if l != Chinese || s == "" {
		return s
	}
	if t, ok := translated(s); ok {
		return t
	}
	if t, ok := translated(s + "."); ok { // a sentence inside another has lost its full stop
		return strings.TrimSuffix(t, "。")
	}
	for _, x := range []struct{ between, end, join string }{{"; ", "", "；"}, {". ", ".", ""}} {
		parts := strings.Split(s, x.between)
		if len(parts) == 1 {
			continue
		}
		found := false
		for i, p := range parts {
			if i < len(parts)-1 {
				p += x.end
			}
			parts[i] = l.words(p)
			found = found || parts[i] != p
		}
		if found {
			return strings.Join(parts, x.join)
		}
	}
	return s
}

func translated(s string) (string, bool) {
	for _, p := range phrasebook() {
		m := p.pattern.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		out := p.chinese
		for i, v := range m[1:] {
			out = strings.ReplaceAll(out, "{"+strconv.Itoa(i+1)+"}", v)
		}
		return out, true
	}
	return "", false
}
