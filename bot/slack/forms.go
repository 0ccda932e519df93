package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	sdk "github.com/slack-go/slack"
	"go.uber.org/zap"

	"mysql-recycler/bot"
)

// formWithin is how long a person's form may stay open waiting for us; Slack waits 3 s.
const formWithin = 2500 * time.Millisecond

// answers remembers how submissions were answered, so that a second delivery of one gets the
// same answer: which of the two acknowledgements Slack believes cannot be known.
type answers struct {
	mu   sync.Mutex
	made map[string]*reply
}

type reply struct {
	done    chan struct{}
	payload any
	at      time.Time
}

func newAnswers() *answers { return &answers{made: map[string]*reply{}} }

// claim returns the reply of a submission and whether the caller has to make it.
func (a *answers) claim(k string, now time.Time) (*reply, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.made, func(_ string, r *reply) bool { return now.Sub(r.at) > 10*time.Minute })
	if r, ok := a.made[k]; ok {
		return r, false
	}
	r := &reply{done: make(chan struct{}), at: now}
	a.made[k] = r
	return r, true
}

// answerForm handles a submission and puts the answer into its acknowledgement.
func (c *Client) answerForm(ctx context.Context, a acker, in incoming, e bot.Envelope, fresh bool) {
	r, mine := c.forms.claim(e.Key, e.At)
	timer := time.NewTimer(formWithin)
	defer timer.Stop()
	if !mine || !fresh {
		if mine { // another run of this program saw it; it is handled, or will be by the replay
			close(r.done)
		}
		select {
		case <-r.done:
			c.ack(ctx, a, in, r.payload)
		case <-timer.C:
			c.ack(ctx, a, in, nil)
		}
		return
	}
	c.lanes.begin(e.Key)
	type outcome struct {
		problems map[string]string
		sub      bot.Submission
		view     view
		err      error
	}
	got := make(chan outcome, 1)
	c.lanes.wg.Go(func() {
		var o outcome
		o.problems, o.sub, o.view, o.err = c.trySubmit(ctx, e)
		got <- o
	})
	late := false
	var o outcome
	select {
	case o = <-got:
		if o.err == nil {
			r.payload = problemsPayload(o.problems, o.view)
		}
	case <-timer.C:
		late = true
		c.count.do(func(s *Stats) { s.In.SlowForms++ })
	}
	close(r.done)
	c.ack(ctx, a, in, r.payload)
	if late {
		o = <-got
		if o.err == nil && len(o.problems) > 0 {
			c.tellProblems(ctx, o.sub.Reply, o.problems)
		}
	}
	c.lanes.done(e.Key)
	if o.err != nil {
		c.log.Warn("a submission is handled again", zap.String("key", e.Key), zap.Error(o.err))
		c.lanes.put(join("alone", e.Key), e)
		return
	}
	c.handled(ctx, e.Key)
}

// suggestWithin is how long a search field waits for its choices; Slack waits 3 s, people do not.
const suggestWithin = time.Second

// suggestions answers a search field with at most as many choices as Slack takes.
func (c *Client) suggestions(ctx context.Context, in incoming) any {
	opts := []*sdk.OptionBlockObject{}
	answer := map[string]any{"options": opts}
	h, ok := c.o.Handler.(bot.Suggester)
	var p interaction
	if err := json.Unmarshal(in.payload, &p); err != nil || !ok {
		return answer
	}
	var ref formRef
	_ = json.Unmarshal([]byte(p.View.Metadata), &ref) // a form without a reference searches everywhere
	ctx, cancel := context.WithTimeout(ctx, suggestWithin)
	defer cancel()
	found := func() (out []bot.Option, err error) {
		defer recovered(&err)
		return h.Suggest(ctx, bot.Suggestion{Form: p.View.Callback, Ref: ref.Ref, Input: p.BlockID, Query: cut(p.Value, 200), User: p.actor()}), nil
	}
	options, err := found()
	if err != nil {
		c.log.Error("suggest", zap.Error(err))
	}
	for _, o := range options {
		if opt := drawOption(o); opt != nil && len(opts) < maxOptions {
			opts = append(opts, opt)
		}
	}
	answer["options"] = opts
	return answer
}

// trySubmit is submit with a deadline and without panics.
func (c *Client) trySubmit(ctx context.Context, e bot.Envelope) (problems map[string]string, s bot.Submission, v view, err error) {
	ctx, cancel := context.WithTimeout(Fresh(ctx), handleWithin)
	defer cancel()
	defer recovered(&err)
	var p interaction
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		return nil, s, v, fmt.Errorf("read submission: %w", err)
	}
	problems, s, err = c.submit(ctx, e.Key, p)
	return problems, s, p.View, err
}

func (c *Client) submit(ctx context.Context, envelope string, p interaction) (map[string]string, bot.Submission, error) {
	var ref formRef
	if p.View.Metadata != "" {
		if err := json.Unmarshal([]byte(p.View.Metadata), &ref); err != nil {
			return nil, bot.Submission{}, fmt.Errorf("read form reference: %w", err)
		}
	}
	who := p.actor()
	s := bot.Submission{Envelope: envelope, Form: p.View.Callback, Ref: ref.Ref, User: who, Values: map[string]string{},
		Reply: bot.Reply{User: who.ID, Channel: ref.Channel, Trigger: p.TriggerID}}
	if until := time.Unix(ref.Until, 0); ref.URL != "" && c.o.Clock().Before(until) {
		c.hooks.minted(ref.URL, until.Add(-hookLife)) // another run may have made the form
		s.Reply.URL = ref.URL
	}
	for block, actions := range p.View.State.Values {
		for _, a := range actions {
			s.Values[block] = a.text()
		}
	}
	problems, err := c.o.Handler.Submit(ctx, s)
	return problems, s, err
}

// problemsPayload shows each problem at its input. Slack refuses the whole answer when one key is
// no input of the view, so such a problem goes to the first input.
func problemsPayload(problems map[string]string, v view) any {
	if len(problems) == 0 {
		return nil
	}
	var inputs []string
	for _, b := range v.Blocks {
		if b.Type == "input" {
			inputs = append(inputs, b.BlockID)
		}
	}
	if len(inputs) == 0 {
		for b := range v.State.Values {
			inputs = append(inputs, b)
		}
		slices.Sort(inputs)
	}
	if len(inputs) == 0 {
		return nil
	}
	errs := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(problems)) {
		at, text := k, orDots(cut(line(problems[k]), 300))
		if !slices.Contains(inputs, k) {
			at = inputs[0]
		}
		if before := errs[at]; before != "" {
			text = cut(before+" "+text, 600)
		}
		errs[at] = text
	}
	return sdk.NewErrorsViewSubmissionResponse(errs)
}

// tellProblems says to the person what the form could not show any more.
func (c *Client) tellProblems(ctx context.Context, to bot.Reply, problems map[string]string) {
	m := bot.Message{Summary: "Your form was not accepted."}
	m.Blocks = append(m.Blocks, bot.Block{Text: []bot.Span{{Text: m.Summary, Bold: true}}})
	for _, k := range slices.Sorted(maps.Keys(problems)) {
		m.Blocks = append(m.Blocks, bot.Block{Text: []bot.Span{{Text: k, Code: true}, {Text: ": " + problems[k]}}})
	}
	if err := c.Whisper(ctx, to, m); err != nil {
		c.log.Warn("tell a form's problems", zap.Error(err))
	}
}
