package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

// Key is what an Idempotency-Key made. Its fields are those of storage.Key.
type Key struct {
	Fingerprint string
	RequestID   string
	At          time.Time
}

// Keys remembers idempotency keys. A key belongs to one token.
type Keys interface {
	// Claim takes a key; fresh is false when it was taken before.
	Claim(ctx context.Context, tokenID, key, fingerprint string) (k Key, fresh bool, err error)
	// Keep stores what a call made; an empty request id lets the key go.
	Keep(ctx context.Context, tokenID, key, requestID string) error
	// Prune forgets old keys.
	Prune(ctx context.Context, before time.Time) (int64, error)
}

const (
	// keepKeys is how long a key is remembered.
	keepKeys = 24 * time.Hour
	// claimed is how long a call may be worked on; a key that is claimed longer belongs to a
	// process that ended in between.
	claimed = 90 * time.Second
)

// ask is one call that makes a request.
type ask struct {
	by      approvals.Actor
	channel string
	command string
	key     string // Idempotency-Key; empty: every call makes one
}

// once asks for work; a call repeated with its key gets what the first one made, and repeated says so.
func (s *Server) once(ctx context.Context, a ask) (r approvals.Request, repeated bool, err error) {
	if a.key == "" {
		r, err = s.o.Talk.Ask(ctx, a.by, a.channel, a.command)
		return r, false, err
	}
	t := callerOf(ctx)
	sum := sha256.Sum256([]byte(a.by.ID + "\x00" + a.channel + "\x00" + a.command))
	finger := hex.EncodeToString(sum[:])
	k, fresh, err := s.o.Keys.Claim(ctx, t.ID, a.key, finger)
	switch {
	case err != nil:
		return r, false, err
	case k.Fingerprint != finger:
		return r, false, refuse(http.StatusUnprocessableEntity, "key_reused", "This Idempotency-Key was used for another call.", "Use a new key for each new call.")
	case k.RequestID != "":
		r, err = s.o.Facts.Request(ctx, k.RequestID)
		return r, true, err
	case !fresh && time.Since(k.At) < claimed:
		return r, false, refuse(http.StatusConflict, "key_busy", "The first call with this Idempotency-Key is still being worked on.", "Try again in a few seconds.")
	case !fresh:
		if r, err = s.left(ctx, a, k); err != nil || r.ID != "" {
			return r, true, s.keep(ctx, t.ID, a.key, r.ID, err)
		}
	}
	r, err = s.o.Talk.Ask(ctx, a.by, a.channel, a.command)
	return r, false, s.keep(ctx, t.ID, a.key, r.ID, err)
}

// keep stores what a call made and answers the call's error. When it cannot be stored the call has
// happened all the same: the request stands, and a repetition finds it as after a crash.
func (s *Server) keep(ctx context.Context, token, key, made string, err error) error {
	if err != nil {
		made = ""
	}
	if err2 := s.o.Keys.Keep(context.WithoutCancel(ctx), token, key, made); err2 != nil {
		s.o.Log.Error("an idempotency key was not stored", zap.String("request", made), zap.Error(err2))
	}
	return err
}

// left finds what a call made whose process ended before it stored its key: a request of the same
// person with the same words, made since the key was claimed.
func (s *Server) left(ctx context.Context, a ask, k Key) (approvals.Request, error) {
	rs, err := s.o.Lists.RequestPage(ctx, Filter{Requester: a.by.ID}, Place{}, 200)
	if err != nil {
		return approvals.Request{}, fmt.Errorf("look for what an interrupted call made: %w", err)
	}
	line, err := bot.Parse(a.command)
	if err != nil {
		return approvals.Request{}, nil //nolint:nilerr // it made nothing then, and will be refused again now
	}
	said := line.String() // requests keep the plain form
	for _, r := range rs {
		if r.Command == said && !r.Created.Before(k.At) {
			return r, nil
		}
	}
	return approvals.Request{}, nil
}

// forget removes old keys now and then, until ctx ends.
func (s *Server) forget(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := s.o.Keys.Prune(ctx, time.Now().Add(-keepKeys)); err != nil && !errors.Is(err, context.Canceled) {
			s.o.Log.Error("old idempotency keys not removed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
