package bot

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// phrase is a sentence of the engine, the guard or the approvals, which say it in English where it is
// known, and its translation. {} stands for a name or a number, which {1}, {2} … of the translation
// take up in any order. It holds neither "; " nor the end of a sentence, {w} not even a space, and {s} is a
// state.
type phrase struct{ english, chinese string }

// compiled is a phrase ready to be found.
type compiled struct {
	pattern    *regexp.Regexp
	head, tail string // what it begins and ends with, which is faster to look for
	chinese    string
	slots      []string
	literal    int // characters that must be there: the most exact phrase is tried first
}

// slot is a place for a name.
var slot = regexp.MustCompile(`\{[ws]?\}`)

var phrasebook = sync.OnceValue(func() []compiled {
	out := make([]compiled, len(phrases))
	for i, p := range phrases {
		parts := slot.Split(p.english, -1)
		head, tail := parts[0], parts[len(parts)-1]
		pattern := strings.NewReplacer(`\{\}`, `((?:[^;.]|\.[^ ])+?)`, `\{w\}`, `(\S+?)`, `\{s\}`, `(\S+?)`).Replace(regexp.QuoteMeta(p.english))
		out[i] = compiled{regexp.MustCompile(`(?s)^` + pattern + `$`), head, tail, p.chinese, slot.FindAllString(p.english, -1), len(strings.Join(parts, ""))}
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
	if t, ok := whole(s); ok {
		return t
	}
	for _, x := range []struct{ between, end, join string }{{". ", ".", ""}, {"; ", "", "；"}, {": ", "", "："}, {", ", "", "，"}} {
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

// state is the word for a state of a request, a job, a table or a schedule that stands in a sentence.
func (l Locale) state(s string) string {
	if k, ok := requestStates[approvals.State(s)]; ok {
		return l.text(k, nil)
	}
	if k, ok := jobStates[engine.JobState(s)]; ok {
		return l.text(k, nil)
	}
	return cmp.Or(otherStates[s], s)
}

// whole translates one sentence. Inside another it has lost its full stop, at the end of several it has
// got one.
func whole(s string) (string, bool) {
	if t, ok := translated(s); ok {
		return t, true
	}
	if cut, ended := strings.CutSuffix(s, "."); ended {
		t, ok := translated(cut)
		return t + "。", ok
	}
	t, ok := translated(s + ".")
	return strings.TrimSuffix(t, "。"), ok
}

// translated is the most exact phrase that fits, with what stands in it: a name, or again a phrase.
func translated(s string) (string, bool) {
	for _, p := range phrasebook() {
		if !strings.HasPrefix(s, p.head) || !strings.HasSuffix(s, p.tail) {
			continue
		}
		m := p.pattern.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		names := make([]string, 0, 2*len(m))
		for i, v := range m[1:] {
			switch {
			case p.slots[i] == "{s}":
				v = Chinese.state(v)
			case strings.Contains(v, " "):
				v = Chinese.words(v)
			}
			names = append(names, "{"+strconv.Itoa(i+1)+"}", v)
		}
		return strings.NewReplacer(names...).Replace(p.chinese), true
	}
	return "", false
}
