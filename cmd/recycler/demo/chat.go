package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/bot/sandbox"
)

// ask types a command as alice and waits for its card.
func (s *story) ask(ctx context.Context, command string) (sandbox.Message, error) {
	before, err := s.client.Messages(ctx, "#db-ops")
	if err != nil {
		return sandbox.Message{}, err
	}
	seen := map[string]bool{}
	for _, m := range before {
		seen[m.TS] = true
	}
	out, err := s.client.Slash(ctx, "alice", "#db-ops", command)
	if err != nil {
		return sandbox.Message{}, err
	}
	s.check(fmt.Sprintf("%q was acknowledged within a second", command), out.OK && out.MS < 1000, fmt.Sprintf("%d ms", out.MS))
	card, err := s.client.WaitMessage(ctx, func(m sandbox.Message) bool {
		return !seen[m.TS] && m.For == "" && m.FromBot && button(m, "Approve") != nil
	})
	if err != nil {
		return card, fmt.Errorf("wait for the card of %q: %w", command, err)
	}
	s.check("the card has Approve and Deny", button(card, "Approve") != nil && button(card, "Deny") != nil, "")
	return card, nil
}

// selfApproval lets alice click Approve on her own request: refused, and only she is told.
func (s *story) selfApproval(ctx context.Context, card sandbox.Message) error {
	before, err := s.shared(ctx)
	if err != nil {
		return err
	}
	if err := s.click(ctx, "alice", card, "Approve"); err != nil {
		return err
	}
	const words = "someone else must decide"
	m, err := s.whisper(ctx, "alice", words)
	if err != nil {
		return err
	}
	s.check("alice cannot approve her own request", strings.Contains(m.Plain(), requestID.FindString(text(card))), m.Plain())
	now, err := s.shared(ctx)
	if err != nil {
		return err
	}
	others, err := s.client.Ephemerals(ctx, "bob")
	if err != nil {
		return err
	}
	told := slices.ContainsFunc(append(now, others...), func(m sandbox.Message) bool { return strings.Contains(m.Plain(), words) })
	s.check("only alice is told so", m.For == "U0ALICE" && len(now) == len(before) && !told, fmt.Sprintf("%d messages for all, then %d", len(before), len(now)))
	still, err := s.current(ctx, card.TS)
	if err != nil {
		return err
	}
	s.check("the card still waits", button(still, "Approve") != nil && !strings.Contains(text(still), "Approved by"), still.Plain())
	return nil
}

// shared are the messages that everybody in the channel sees.
func (s *story) shared(ctx context.Context) ([]sandbox.Message, error) {
	ms, err := s.client.Messages(ctx, "#db-ops")
	return slices.DeleteFunc(ms, func(m sandbox.Message) bool { return m.For != "" }), err
}

// approve lets bob click Approve: the card says who and when, and its buttons are gone.
func (s *story) approve(ctx context.Context, card sandbox.Message) (sandbox.Message, error) {
	from := time.Now().Unix()
	if err := s.click(ctx, "bob", card, "Approve"); err != nil {
		return card, err
	}
	m, err := s.client.WaitMessage(ctx, func(m sandbox.Message) bool {
		return m.TS == card.TS && button(m, "Approve") == nil
	})
	if err != nil {
		return m, fmt.Errorf("wait for the decided card: %w", err)
	}
	s.checks = append(s.checks, approvedChecks(m, from, time.Now().Unix())...)
	return m, nil
}

// approvedChecks looks at a card that bob decided within some seconds.
func approvedChecks(m sandbox.Message, from, to int64) []check {
	const words = "Approved by @bob"
	at := moments(m, words)
	labels := map[string]bool{}
	for _, b := range m.Buttons() {
		labels[b.Label] = true
	}
	return []check{
		{"the card says who approved", strings.Contains(text(m), words), text(m)},
		{"the card says when", len(at) == 1 && from <= at[0] && at[0] <= to, fmt.Sprintf("%v, clicked from %d to %d", at, from, to)},
		{"the buttons to decide are gone", !labels["Approve"] && !labels["Approve with a comment"] && !labels["Deny"] && !labels["Withdraw"], fmt.Sprint(labels)},
	}
}

func (s *story) click(ctx context.Context, user string, m sandbox.Message, label string) error {
	b := button(m, label)
	if b == nil {
		return fmt.Errorf("the message has no button %q: %s", label, m.Plain())
	}
	out, err := s.client.Click(ctx, sandbox.Click{User: user, Channel: m.Channel, TS: m.TS, ActionID: b.ActionID, BlockID: b.BlockID})
	if err != nil {
		return err
	}
	s.check(fmt.Sprintf("%s's click on %s was acknowledged within a second", user, label), out.OK && out.MS < 1000, fmt.Sprintf("%d ms", out.MS))
	return nil
}

// reply waits for a message in the card's thread that holds the text.
func (s *story) reply(ctx context.Context, card sandbox.Message, text string) (sandbox.Message, error) {
	m, err := s.client.WaitMessage(ctx, func(m sandbox.Message) bool {
		return m.ThreadTS == card.TS && m.TS != card.TS && strings.Contains(m.Plain(), text)
	})
	if err != nil {
		return m, fmt.Errorf("wait for %q in the thread: %w", text, err)
	}
	return m, nil
}

// pictures waits until something was uploaded.
func (s *story) pictures(ctx context.Context) (files []sandbox.File, err error) {
	err = s.client.Wait(ctx, func() (bool, error) {
		files, err = s.client.Files(ctx)
		return len(files) > 0, err
	})
	return files, err
}

// whisper waits for an answer only this person sees that holds the text.
func (s *story) whisper(ctx context.Context, user, text string) (sandbox.Message, error) {
	var found sandbox.Message
	err := s.client.Wait(ctx, func() (bool, error) {
		ms, err := s.client.Ephemerals(ctx, user)
		for _, m := range ms {
			if strings.Contains(m.Plain(), text) {
				found = m
			}
		}
		return found.TS != "", err
	})
	if err != nil {
		return found, fmt.Errorf("wait for an answer to %s with %q: %w", user, text, err)
	}
	return found, nil
}

// current is a message as it is now.
func (s *story) current(ctx context.Context, ts string) (sandbox.Message, error) {
	ms, err := s.client.Messages(ctx, "#db-ops")
	if err != nil {
		return sandbox.Message{}, err
	}
	for _, m := range ms {
		if m.TS == ts && m.For == "" {
			return m, nil
		}
	}
	return sandbox.Message{}, fmt.Errorf("there is no message %s", ts)
}

// now is what a message says, for an error text.
func (s *story) now(ctx context.Context, ts string) string {
	m, err := s.current(context.WithoutCancel(ctx), ts)
	if err != nil {
		return err.Error()
	}
	return m.Plain()
}

// button finds a button by its label.
func button(m sandbox.Message, label string) *sandbox.Button {
	for _, b := range m.Buttons() {
		if b.Label == label {
			return &b
		}
	}
	return nil
}
