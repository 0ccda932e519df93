package bot

import (
	"slices"
	"strings"
)

// Parse understands a command line as people type and paste it into a chat. No words mean help.
// The error is a *Misread that tells a person what was understood and what to type instead.
func Parse(text string) (Line, error) {
	line := Normalise(text)
	if len(line) > maxLine {
		return Line{}, &Misread{key: kLineTooLong, Line: line}
	}
	words, err := split(line)
	if err != nil {
		return Line{}, err
	}
	if len(words) == 0 {
		return Line{Verb: VerbHelp}, nil
	}
	p := parser{line: line, words: words[1:]}
	arg, err := p.verb(words[0])
	if err != nil {
		return Line{}, err
	}
	for len(p.words) > 0 {
		if err := p.word(arg); err != nil {
			return Line{}, err
		}
	}
	if err := p.complete(arg); err != nil {
		return Line{}, err
	}
	if len(p.out.String()) > maxLine { // quoting makes it longer, and it must read back
		return Line{}, &Misread{key: kLineTooLong, Line: line}
	}
	return p.out, nil
}

// parser walks the words behind the verb.
type parser struct {
	line  string
	words []token
	args  int // arguments seen
	out   Line
}

// verb reads the first word.
func (p *parser) verb(t token) (argument, error) {
	word := strings.ToLower(strings.TrimLeft(t.text, "-/"))
	for _, g := range grammar {
		if string(g.verb) == word {
			p.out.Verb = g.verb
			return g.arg, nil
		}
	}
	near := nearest(word, verbNames())
	m := p.misread(kUnknownCommand, t, args{"word": code(t.text)})
	m.Near = near
	if near != "" {
		m.Example = strings.TrimSpace(near + " " + exampleOf(Verb(near)))
	}
	return 0, m
}

func verbNames() []string {
	names := make([]string, len(grammar))
	for i, g := range grammar {
		names[i] = string(g.verb)
	}
	return names
}

// word reads the next word: a flag with its value, or an argument.
func (p *parser) word(arg argument) error {
	t := p.words[0]
	p.words = p.words[1:]
	if t.quoted {
		return p.argument(arg, t)
	}
	name := strings.TrimLeft(t.text, "-")
	dashes := len(t.text) - len(name)
	switch {
	case dashes == 0 && t.eq > 0:
		return p.flag(t, t.text[:t.eq], t.text[t.eq+1:], true)
	case dashes == 0:
		return p.argument(arg, t)
	case t.eq > dashes:
		return p.flag(t, t.text[dashes:t.eq], t.text[t.eq+1:], true)
	}
	return p.flag(t, name, "", false)
}

// flag reads one flag; without a value in the same word the next word is its value.
func (p *parser) flag(t token, name, value string, given bool) error {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if full, ok := synonyms[name]; ok {
		name = full
	}
	i := slices.IndexFunc(flags, func(f flag) bool { return f.name == name && slices.Contains(f.verbs, p.out.Verb) })
	if i < 0 {
		return p.unknownFlag(t, name)
	}
	f := flags[i]
	if !given && !f.bare {
		if len(p.words) == 0 {
			m := p.misread(kFlagNeedsValue, t, args{"flag": code("--" + f.name)})
			m.Example = p.example(f)
			return m
		}
		value = p.words[0].text
		p.words = p.words[1:]
	}
	if f.set(&p.out, value) {
		return nil
	}
	m := p.misread(kBadValue, t, args{"flag": code("--" + f.name), "value": code(clip(value, 80))})
	if f.near != nil {
		m.Near = f.near(value)
	}
	if m.Near != "" {
		f.example = quote(m.Near)
	}
	m.Example = p.example(f)
	return m
}

// unknownFlag names the flag that was probably meant; without one, a flag the command has.
func (p *parser) unknownFlag(t token, name string) error {
	m := p.misread(kUnknownFlag, t, args{"flag": code(clip(t.text, 80)), "command": code(string(p.out.Verb))})
	known := flagNames(p.out.Verb)
	near := nearest(name, known)
	if near != "" {
		m.Near = "--" + near
	} else if len(known) > 0 {
		near = known[0]
	}
	i := slices.IndexFunc(flags, func(f flag) bool { return f.name == near && slices.Contains(f.verbs, p.out.Verb) })
	if i >= 0 {
		m.Example = p.example(flags[i])
	}
	return m
}

// flagNames lists the flags of a verb that people may type.
func flagNames(v Verb) []string {
	var names []string
	for _, f := range flags {
		if f.help != "" && slices.Contains(f.verbs, v) {
			names = append(names, f.name)
		}
	}
	return names
}

// argument reads a word that is not a flag.
func (p *parser) argument(arg argument, t token) error {
	p.args++
	if arg == scheduleArguments {
		return p.scheduleWord(t)
	}
	if p.args > 1 && (p.out.Verb == VerbRun || p.out.Verb == VerbPlan) {
		if addPatterns(&p.out.Select.Tables, t.text) { // run db-prod-3 shop.orders
			return nil
		}
		return p.misread(kBadPattern, t, args{"word": code(clip(t.text, 80))})
	}
	if p.args == 2 && arg == idTableArguments {
		return p.take(t, kBadTable, assign(&p.out.Table, t.text, parsePattern))
	}
	if p.args == 2 && arg == regionArguments {
		return p.take(t, kBadRegion, assign(&p.out.Target, t.text, parseHost))
	}
	if p.args > 1 || arg == noArgument {
		m := p.misread(kTooMany, t, args{"word": code(clip(t.text, 80)), "command": code(string(p.out.Verb))})
		m.Example = strings.TrimSpace(string(p.out.Verb) + " " + exampleOf(p.out.Verb))
		return m
	}
	switch arg {
	case idArgument, idTableArguments:
		return p.take(t, kBadID, assign(&p.out.Request, t.text, requestID))
	case regionArguments:
		return p.choice(t, &p.out.Filter, regionActions)
	case filterArgument:
		return p.choice(t, &p.out.Filter, listFilters)
	case topicArgument:
		return p.choice(t, &p.out.Topic, verbNames())
	default:
		return p.take(t, kBadHost, assign(&p.out.Target, t.text, parseHost))
	}
}

// take answers the misread when a word was not understood.
func (p *parser) take(t token, k key, ok bool) error {
	if ok {
		return nil
	}
	m := p.misread(k, t, args{"word": code(clip(t.text, 80))})
	m.Example = string(p.out.Verb) + " " + exampleOf(p.out.Verb)
	return m
}

// choice reads one of a few words.
func (p *parser) choice(t token, to *string, words []string) error {
	w := strings.ToLower(t.text)
	if slices.Contains(words, w) {
		*to = w
		return nil
	}
	m := p.misread(kBadChoice, t, args{"word": code(clip(t.text, 80)), "words": plain(strings.Join(words, ", "))})
	if m.Near = nearest(w, words); m.Near != "" {
		m.Example = string(p.out.Verb) + " " + m.Near
	}
	return m
}

// complete refuses a command whose argument is missing.
func (p *parser) complete(arg argument) error {
	if arg == scheduleArguments {
		return p.scheduleComplete()
	}
	if p.args > 1 || p.args == 1 && arg != idTableArguments && arg != regionArguments {
		return nil
	}
	missing := map[argument]key{hostArgument: kHostMissing, idArgument: kIDMissing, idTableArguments: kTableMissing, regionArguments: kRegionMissing}
	k, ok := missing[arg]
	if !ok {
		return nil
	}
	m := &Misread{key: k, Line: p.line, vals: args{"command": code(string(p.out.Verb))}}
	m.Example = string(p.out.Verb) + " " + exampleOf(p.out.Verb)
	return m
}

// misread points at a word.
func (p *parser) misread(k key, t token, a args) *Misread {
	return &Misread{key: k, Line: p.line, Pos: t.pos, vals: a}
}

// example is this command with a flag used rightly.
func (p *parser) example(f flag) string {
	words := []string{string(p.out.Verb), exampleOf(p.out.Verb), "--" + f.name}
	if p.out.Target != "" {
		words[1] = p.out.Target
	}
	if p.out.Verb == VerbSchedule && p.out.Plan.Action != "" {
		words[1] = strings.TrimSpace(string(p.out.Plan.Action) + " " + p.out.Plan.ID + p.out.Target)
	}
	if p.out.Request != "" {
		words[1] = p.out.Request
	}
	if f.example != "" {
		words = append(words, f.example)
	}
	return strings.Join(words, " ")
}

// exampleOf is an argument to copy.
func exampleOf(v Verb) string {
	i := slices.IndexFunc(grammar, func(g struct {
		verb Verb
		arg  argument
	}) bool {
		return g.verb == v
	})
	if i < 0 {
		return ""
	}
	return map[argument]string{hostArgument: "db-prod-3", idArgument: "R-7QK2", idTableArguments: "R-7QK2 shop.orders", scheduleArguments: "add db-prod-3", regionArguments: "pause eu"}[grammar[i].arg]
}

// Misread is a command line that was not understood, told so that a person can put it right.
type Misread struct {
	key     key
	vals    args
	Line    string // as it was read
	Pos     int    // where in Line
	Near    string // what was probably meant; may be empty
	Example string // a command to copy; may be empty
	caret   bool   // show where
}

// Error implements error, in English.
func (m *Misread) Error() string { return m.Sentence() }

// Sentence is what was not understood, in English.
func (m *Misread) Sentence() string { return English.text(m.key, m.vals) }

// Hint is what to type instead, in English.
func (m *Misread) Hint() string {
	if m.Near == "" {
		return ""
	}
	return English.text(kDidYouMean, args{"near": code(m.Near)})
}

// message tells the person who typed it.
func (m *Misread) message(l Locale) Message {
	b := &builder{l: l}
	b.summary(m.key, m.vals)
	spans := l.say(m.key, m.vals)
	if m.Near != "" {
		spans = append(append(spans, plain(" ")), l.say(kDidYouMean, args{"near": code(m.Near)})...)
	}
	b.text(spans...)
	if m.caret {
		b.code(caretUnder(m.Line, m.Pos))
	}
	if m.Example != "" {
		b.text(l.say(kTry, args{"command": code(slash + m.Example)})...)
	}
	return b.m
}

// caretUnder shows a piece of the line with a mark below the place.
func caretUnder(line string, pos int) string {
	before, after := []rune(line[:pos]), []rune(line[pos:])
	lead := ""
	if len(before) > 30 {
		before, lead = before[len(before)-30:], "…"
	}
	tail := ""
	if len(after) > 30 {
		after, tail = after[:30], "…"
	}
	return lead + string(before) + string(after) + tail + "\n" + strings.Repeat(" ", len([]rune(lead))+columns(string(before))) + "^"
}
