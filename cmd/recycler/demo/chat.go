package demo

import (
	"context"
	"fmt"
	"strings"

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
	if err := s.click(ctx, "alice", card, "Approve"); err != nil {
		return err
	}
	m, err := s.whisper(ctx, "alice", "someone else")
	if err != nil {
		return err
	}
	s.check("alice cannot approve her own request, and only she is told", m.For != "", m.Plain())
	now, err := s.current(ctx, card.TS)
	if err != nil {
		return err
	}
	s.check("the card still waits", button(now, "Approve") != nil, now.Plain())
	return nil
}

// approve lets bob click Approve: the card says who, and its buttons are gone.
func (s *story) approve(ctx context.Context, card sandbox.Message) error {
	if err := s.click(ctx, "bob", card, "Approve"); err != nil {
		return err
	}
	m, err := s.client.WaitMessage(ctx, func(m sandbox.Message) bool {
		return m.TS == card.TS && button(m, "Approve") == nil
	})
	if err != nil {
		return fmt.Errorf("wait for the decided card: %w", err)
	}
	s.check("the card says who approved, its buttons are gone", strings.Contains(m.Plain(), "U0BOB") && button(m, "Deny") == nil, m.Plain())
	return nil
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
