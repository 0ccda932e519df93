package bot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"mysql-recycler/engine"
)

// maxOptions is how many choices a list may have.
const maxOptions = 100

// formWithin bounds what is looked up before a form opens: its trigger lives three seconds.
const formWithin = 700 * time.Millisecond

// formVerbs are the commands that the form can do.
var formVerbs = []Verb{VerbDiscover, VerbPlan, VerbRun}

// openNew opens the form that asks for what a command line would say.
func (b *Bot) openNew(ctx context.Context, who asker) error {
	quick, cancel := context.WithTimeout(ctx, formWithin)
	defer cancel()
	who.l = b.personal(quick, who.user, who.channel)
	return b.openForm(ctx, who, b.newForm(quick, who))
}

// openForm opens a form. A form that comes too late, because the process was restarting, is told to
// the person; to try it again could never open it.
func (b *Bot) openForm(ctx context.Context, who asker, f Form) error {
	err := b.o.Responder.OpenForm(ctx, who.reply, f)
	var p forPeople
	if errors.As(err, &p) {
		return b.answer(ctx, who, Message{}, err)
	}
	return err
}

// newForm starts with what was asked for last in this channel. Ref carries the channel the card
// will be in.
func (b *Bot) newForm(ctx context.Context, who asker) Form {
	l, last := who.l, b.lastAsked(ctx, who)
	schemas := strings.Join(last.Select.Schemas, ", ")
	last.Select.Schemas = nil
	flags := strings.TrimSpace(strings.TrimPrefix(Line{Verb: last.Verb, Select: last.Select}.String(), string(last.Verb)))
	host := Input{ID: "host", Label: l.text(kFormHost, nil), Search: true, Placeholder: l.text(kFormHostFind, nil), Initial: last.Target}
	if last.Target != "" {
		host.Options = []Option{b.option(l, last.Target)}
	}
	verb := Input{ID: "verb", Label: l.text(kFormVerb, nil), Initial: string(last.Verb)}
	for i, k := range []key{kFormDiscover, kFormPlan, kFormRun} {
		verb.Options = append(verb.Options, Option{Value: string(formVerbs[i]), Label: l.text(k, nil)})
	}
	return Form{
		ID: FormNew, Ref: who.channel, Title: l.text(kFormTitle, nil), Submit: l.text(kFormSubmit, nil), Cancel: l.text(kCancelForm, nil),
		Inputs: []Input{verb, host,
			{ID: "schema", Label: l.text(kFormSchema, nil), Hint: l.text(kFormSchemaHint, nil), Optional: true, MaxLen: 200, Initial: clip(schemas, 200)},
			{ID: "flags", Label: l.text(kFormFlags, nil), Hint: l.text(kFormFlagsHint, nil), Optional: true, MaxLen: 400, Initial: clip(flags, 400)},
		},
	}
}

// lastAsked is what people asked for last in a channel; outside of one, what this person did. When
// that cannot be read in time, the form starts empty.
func (b *Bot) lastAsked(ctx context.Context, who asker) Line {
	filter, arg := "channel", who.channel
	if arg == "" {
		filter, arg = "mine", who.user.ID
	}
	rs, _ := b.o.Lists.Requests(ctx, filter, arg, 10) // nothing to start with is no reason to open no form
	for _, r := range rs {
		line, err := Parse(r.Command)
		_, scheduled := r.Requester.Schedule()
		if _, gone := b.o.Targets.Find(line.Target); err == nil && gone == nil && !scheduled && slices.Contains(formVerbs, line.Verb) {
			return Line{Verb: line.Verb, Target: line.Target, Select: line.Select}
		}
	}
	return Line{Verb: VerbDiscover}
}

// Suggest answers what a person types into the host field with the hosts and clusters they may mean:
// those that begin so, those that contain it, then the nearest. It looks nothing up.
func (b *Bot) Suggest(_ context.Context, s Suggestion) []Option {
	type hit struct {
		name string
		rank int
	}
	query := strings.ToLower(strings.TrimSpace(s.Query))
	var hits []hit
	var names []string
	for _, n := range b.o.Targets.Names() {
		t, err := b.o.Targets.Find(n)
		if err != nil || (s.Ref != "" && !b.allowed(s.Ref, t.Cluster)) {
			continue
		}
		names = append(names, n)
		low := strings.ToLower(n)
		switch {
		case strings.HasPrefix(low, query):
			hits = append(hits, hit{n, 0})
		case contains(low, strings.Fields(query)):
			hits = append(hits, hit{n, 1})
		}
	}
	if near := nearest(query, names); len(hits) == 0 && near != "" {
		hits = append(hits, hit{near, 0})
	}
	slices.SortStableFunc(hits, func(x, y hit) int { return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.name, y.name)) })
	var out []Option
	for _, x := range hits[:min(maxOptions, len(hits))] {
		out = append(out, b.option(b.shared(s.Ref), x.name))
	}
	return out
}

// contains says whether all words are in a name: "prod 3" finds db-prod-3.
func contains(name string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(name, w) })
}

// option is a host or a cluster as a choice.
func (b *Bot) option(l Locale, name string) Option {
	t, err := b.o.Targets.Find(name)
	switch {
	case err != nil:
		return Option{Value: name, Label: clip(name, 70)}
	case t.Host.Name == "":
		return Option{Value: name, Label: clip(l.text(kFormCluster, args{"cluster": plain(name)}), 70)}
	}
	return Option{Value: name, Label: clip(name+" · "+t.Cluster, 70)}
}

// newSubmitted does what the form says, as the command line would. What the person can mend in the
// form is said at its field, and the form stays open.
func (b *Bot) newSubmitted(ctx context.Context, who asker, s Submission) (map[string]string, error) {
	if who.channel = s.Ref; who.channel == "" {
		who.channel = s.Reply.Channel
	}
	line, bad := b.formLine(&who, s.Values)
	if len(bad) > 0 {
		return bad, nil
	}
	m, err := b.do(ctx, who, line)
	if field := formField(err); field != "" {
		return map[string]string{field: b.inWords(who.l, err)}, nil
	}
	return nil, b.answer(ctx, who, m, err)
}

// formLine reads the fields as one command line.
func (b *Bot) formLine(who *asker, values map[string]string) (Line, map[string]string) {
	bad := map[string]string{}
	verb := Verb(values["verb"])
	if !slices.Contains(formVerbs, verb) {
		verb = VerbDiscover
	}
	line := Line{Verb: verb}
	if typed := values["flags"]; verb != VerbDiscover && strings.TrimSpace(typed) != "" {
		var err error
		if line, err = Parse(string(verb) + " any " + typed); err != nil {
			bad["flags"] = b.inWords(who.l, err)
		} else if line.After != "" {
			bad["flags"] = who.l.text(kUnknownFlag, args{"flag": plain("--after"), "command": plain(string(verb))})
		}
		line.Verb, line.Target = verb, ""
	}
	if !assign(&line.Target, values["host"], parseHost) {
		bad["host"] = who.l.text(kBadHost, args{"word": plain(clip(values["host"], 60))})
	} else if err := b.placed(who, line.Target); err != nil {
		bad["host"] = b.inWords(who.l, err)
	}
	if v := strings.TrimSpace(values["schema"]); v != "" && verb != VerbDiscover && !addPatterns(&line.Select.Schemas, v) {
		bad["schema"] = who.l.text(kBadPattern, args{"word": plain(clip(v, 60))})
	}
	return line, bad
}

// formField is the field that a refusal belongs to; empty: it is answered outside of the form,
// because it is ours or has a button.
func formField(err error) string {
	var (
		m *Misread
		o *offer
		p *engine.Problem
	)
	switch {
	case err == nil || errors.As(err, &o):
		return ""
	case errors.As(err, &m) && strings.Contains(m.Example, "--schema"):
		return "schema"
	case errors.As(err, &m):
		return "flags"
	case errors.As(err, &p):
		return "host"
	}
	return ""
}

// inWords is a refusal in one or two sentences, for a field of a form.
func (b *Bot) inWords(l Locale, err error) string {
	var words []string
	for _, x := range b.apology(l, err).Blocks {
		if s := strings.TrimSpace(flat(append(slices.Clone(x.Text), x.Context...))); s != "" {
			words = append(words, s)
		}
	}
	return clip(strings.Join(words, " "), 290)
}

// placed finds the channel for a form that was opened outside of one, and checks the target.
func (b *Bot) placed(who *asker, name string) error {
	if who.channel == "" {
		t, err := b.o.Targets.Find(name)
		if err != nil {
			return err
		}
		who.channel = b.channelOf(t.Cluster)
	}
	who.reply.Channel = who.channel
	_, err := b.target(*who, name)
	return err
}

// Shortcut answers what a person picked from a message's menu: the state of the request that the
// message names, or the form when it names none.
func (b *Bot) Shortcut(ctx context.Context, c Command, message string) error {
	if id := requestIn.FindString(message); id != "" {
		c.Text = string(VerbStatus) + " " + id
	}
	return b.Command(ctx, c)
}
