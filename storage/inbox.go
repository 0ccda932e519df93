package storage

import (
	"context"
	"fmt"
	"time"
)

// Envelope is a stored inbound event. Its fields are those of bot.Envelope.
type Envelope struct {
	Key     string
	Kind    string
	Payload []byte
	At      time.Time
}

// Inbox keeps every envelope of the chat before it is acknowledged.
type Inbox struct{ db *DB }

// NewInbox returns the inbox of a database.
func NewInbox(db *DB) *Inbox { return &Inbox{db: db} }

// Receive stores an envelope; fresh is false when its key was seen before. The payload is text:
// the chat sends JSON or forms.
func (s *Inbox) Receive(ctx context.Context, key, kind string, payload []byte) (fresh bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		var seen int64
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM inbox WHERE key = $1", key).Scan(&seen); err != nil || seen > 0 {
			return err
		}
		ord, err := next(ctx, tx, "inbox")
		if err != nil {
			return err
		}
		fresh = true
		_, err = tx.Exec(ctx, "INSERT INTO inbox (key, ord, kind, payload, at) VALUES ($1, $2, $3, $4, $5)", key, ord, kind, string(payload), now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("receive envelope %s: %w", key, err)
	}
	return fresh, nil
}

// Pending lists envelopes that are not handled yet, oldest first: after a crash they are handled
// again.
func (s *Inbox) Pending(ctx context.Context) ([]Envelope, error) {
	var envelopes []Envelope
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var e Envelope
			var payload string
			var at int64
			err := row.Scan(&e.Key, &e.Kind, &payload, &at)
			e.Payload, e.At = []byte(payload), fromMS(at)
			envelopes = append(envelopes, e)
			return err
		}, "SELECT key, kind, payload, at FROM inbox WHERE handled = 0 ORDER BY ord")
	})
	if err != nil {
		return nil, fmt.Errorf("list pending envelopes: %w", err)
	}
	return envelopes, nil
}

// Handled ends an envelope. Its key is remembered until retention lets it
// go, so that a repeated delivery is still recognised.
func (s *Inbox) Handled(ctx context.Context, key string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE inbox SET handled = $2 WHERE key = $1 AND handled = 0", key, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("end envelope %s: %w", key, err)
	}
	return nil
}
