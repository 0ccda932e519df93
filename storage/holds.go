package storage

import (
	"context"
	"fmt"
	"time"

	"mysql-recycler/approvals"
)

// HoldKind is where no work is taken.
type HoldKind string

// Kinds of holds.
const (
	HoldRegion HoldKind = "region" // no worker starts jobs of the region; running ones go on
	HoldNode   HoldKind = "node"   // the node starts nothing and hands over what it runs
)

// Hold says that a person wants no work taken somewhere, until it is lifted.
type Hold struct {
	Kind   HoldKind
	Name   string
	By     approvals.Actor
	Reason string
	At     time.Time
}

// Holds keeps them. Each change is a link of the audit chain.
type Holds struct{ db *DB }

// NewHolds returns the holds of a database.
func NewHolds(db *DB) *Holds { return &Holds{db: db} }

// Put adds a hold inside tx; one that is there already stays as it is, and news is false.
func (s *Holds) Put(ctx context.Context, tx Tx, h Hold) (news bool, err error) {
	now, err := s.db.now(ctx, tx)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, `INSERT INTO holds (kind, name, by_team, by_id, by_name, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, string(h.Kind), h.Name, h.By.Team, h.By.ID, h.By.Name, h.Reason, now)
	if err != nil || n == 0 {
		return false, err
	}
	return true, s.db.audit(ctx, tx, now, auditedHold(h, "hold"))
}

// Lift ends a hold inside tx; news is false when there was none.
func (s *Holds) Lift(ctx context.Context, tx Tx, h Hold) (news bool, err error) {
	now, err := s.db.now(ctx, tx)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, "DELETE FROM holds WHERE kind = $1 AND name = $2", string(h.Kind), h.Name)
	if err != nil || n == 0 {
		return false, err
	}
	return true, s.db.audit(ctx, tx, now, auditedHold(h, "lift"))
}

// auditedHold records a change of a hold.
func auditedHold(h Hold, what string) AuditRecord {
	return AuditRecord{Action: AuditHold, Kind: string(h.Kind), Target: h.Name, By: h.By, Decision: what, Reason: h.Reason}
}

// All lists the holds, by kind and name.
func (s *Holds) All(ctx context.Context) ([]Hold, error) {
	var all []Hold
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		all, err = loadHolds(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return all, nil
}

func loadHolds(ctx context.Context, tx Tx) ([]Hold, error) {
	var all []Hold
	err := each(ctx, tx, func(row Row) error {
		var h Hold
		var at int64
		err := row.Scan(&h.Kind, &h.Name, &h.By.Team, &h.By.ID, &h.By.Name, &h.Reason, &at)
		h.At = fromMS(at)
		all = append(all, h)
		return err
	}, "SELECT kind, name, by_team, by_id, by_name, reason, at FROM holds ORDER BY kind, name")
	return all, err
}
