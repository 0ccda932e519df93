package storage

import (
	"context"
	"fmt"
	"time"
)

// Key is what an Idempotency-Key made. Its fields are those of api.Key.
type Key struct {
	Fingerprint string    // of the call's body
	RequestID   string    // what the call made; empty while it is worked on
	At          time.Time // when the call came
}

// Keys remembers the idempotency keys of API callers. A key belongs to one token: nobody reads or
// disturbs what another caller made.
type Keys struct{ db *DB }

// NewKeys returns the idempotency keys of a database.
func NewKeys(db *DB) *Keys { return &Keys{db: db} }

// Claim takes a key for a call. fresh is false when it was taken before; the key is then as it
// was stored.
func (s *Keys) Claim(ctx context.Context, tokenID, key, fingerprint string) (k Key, fresh bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "INSERT INTO api_keys (token_id, key, fingerprint, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			tokenID, key, fingerprint, now)
		if err != nil {
			return err
		}
		fresh = n == 1
		var at int64
		err = tx.QueryRow(ctx, "SELECT fingerprint, request_id, at FROM api_keys WHERE token_id = $1 AND key = $2", tokenID, key).
			Scan(&k.Fingerprint, &k.RequestID, &at)
		k.At = fromMS(at)
		return err
	})
	if err != nil {
		return k, false, fmt.Errorf("claim an idempotency key: %w", err)
	}
	return k, fresh, nil
}

// Keep stores what the call of a key made; an empty request id lets the key go, because the call
// made nothing.
func (s *Keys) Keep(ctx context.Context, tokenID, key, requestID string) error {
	query, args := "UPDATE api_keys SET request_id = $3 WHERE token_id = $1 AND key = $2 AND request_id = ''", []any{tokenID, key, requestID}
	if requestID == "" {
		query, args = "DELETE FROM api_keys WHERE token_id = $1 AND key = $2 AND request_id = ''", args[:2]
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep an idempotency key: %w", err)
	}
	return nil
}

// Prune forgets keys that were taken before a time and returns how many.
func (s *Keys) Prune(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
		n, err = tx.Exec(ctx, "DELETE FROM api_keys WHERE at < $1", toMS(before))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prune idempotency keys: %w", err)
	}
	return n, nil
}
