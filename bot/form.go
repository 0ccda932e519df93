package bot

import (
	"context"
	"slices"
	"strings"
)

// maxOptions is how many choices a form's list may have.
const maxOptions = 100

// newForm asks for what a command line would say. Ref carries the channel the card will be in.
func (b *Bot) newForm(who asker) Form {
	l := who.l
	var hosts []Option
	for _, n := range b.o.Targets.Names() {
		if len(hosts) < maxOptions {
			hosts = append(hosts, Option{Value: n, Label: clip(n, 70)})
		}
	}
	host := Input{ID: "host", Label: l.text(kFormHost, nil), Options: hosts}
	if len(hosts) == 0 {
		host.MaxLen = 250
	}
	return Form{
		ID: FormNew, Ref: who.channel, Title: l.text(kFormTitle, nil), Submit: l.text(kFormSubmit, nil), Cancel: l.text(kCancelForm, nil),
		Inputs: []Input{
			{ID: "verb", Label: l.text(kFormVerb, nil), Initial: string(VerbDiscover), Options: []Option{
				{Value: string(VerbDiscover), Label: l.text(kFormDiscover, nil)},
				{Value: string(VerbPlan), Label: l.text(kFormPlan, nil)},
				{Value: string(VerbRun), Label: l.text(kFormRun, nil)},
			}},
			host,
			{ID: "schema", Label: l.text(kFormSchema, nil), Hint: l.text(kFormSchemaHint, nil), Optional: true, MaxLen: 200},
		},
	}
}

// newSubmitted does what the form says, as the command line would.
func (b *Bot) newSubmitted(ctx context.Context, who asker, s Submission) (map[string]string, error) {
	if who.channel = s.Ref; who.channel == "" {
		who.channel = s.Reply.Channel
	}
	line := Line{Verb: Verb(s.Values["verb"])}
	if !slices.Contains([]Verb{VerbDiscover, VerbPlan, VerbRun}, line.Verb) {
		line.Verb = VerbDiscover
	}
	bad := map[string]string{}
	if !assign(&line.Target, s.Values["host"], parseHost) {
		bad["host"] = who.l.text(kBadHost, args{"word": plain(clip(s.Values["host"], 60))})
	} else if err := b.placed(&who, line.Target); err != nil {
		bad["host"] = flat(firstText(b.apology(who.l, err)))
	}
	if v := strings.TrimSpace(s.Values["schema"]); v != "" && line.Verb != VerbDiscover && !addPatterns(&line.Select.Schemas, v) {
		bad["schema"] = who.l.text(kBadPattern, args{"word": plain(clip(v, 60))})
	}
	if len(bad) > 0 {
		return bad, nil
	}
	m, err := b.do(ctx, who, line)
	return nil, b.answer(ctx, who, m, err)
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

// firstText is the first sentence of a message.
func firstText(m Message) []Span {
	for _, b := range m.Blocks {
		if b.Text != nil {
			return b.Text
		}
	}
	return []Span{plain(m.Summary)}
}
