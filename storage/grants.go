package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

var _ approvals.Standing = (*Schedules)(nil)

// grant stores a standing approval and ends an earlier one of the same person for the same schedule.
func (db *DB) grant(ctx context.Context, tx Tx, given approvals.Given, now int64) error {
	g := given.Grant
	envelope, err := toJSON(g.Envelope)
	if err != nil {
		return err
	}
	approvers, err := toJSON(append([]string{}, g.Approvers...))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE grants SET ended = $3, ended_by = $2, reason = 'replaced' WHERE schedule = $1 AND reviewer_id = $2 AND ended = 0",
		g.Schedule, g.Reviewer.ID, now)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO grants (id, schedule, envelope, digest, reviewer_team, reviewer_id, reviewer_name, approvers, at, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, g.ID, g.Schedule, envelope, g.Digest, g.Reviewer.Team, g.Reviewer.ID,
		g.Reviewer.Name, approvers, toMS(g.At), toMS(g.Expires))
	if err != nil {
		return err
	}
	return db.told(ctx, tx, given.Fact, auditedGrant(g, "granted", g.Reviewer))
}

// auditedGrant records what happened to a standing approval; the envelope's digest is its digest.
func auditedGrant(g approvals.Grant, what string, by approvals.Actor) AuditRecord {
	a := AuditRecord{Action: AuditStanding, Kind: string(approvals.KindRecycle), Request: g.Schedule, By: by, Digest: g.Digest,
		Decision: what, Rule: approvals.RuleStanding, Requester: approvals.Schedule{ID: g.Schedule}.Actor().ID, Approvers: g.Approvers}
	if e := g.Envelope; e != nil {
		a.Command, a.Cluster = e.Command, e.Frame.Cluster
	}
	if raw, err := json.Marshal(approvals.Grounds{Grants: []approvals.Grant{g}}); err == nil { // it holds nothing that cannot be marshalled
		a.Grounds = raw
	}
	return a
}

// Grants lists the standing approvals of a schedule that were not ended, oldest first; those whose
// time is over are among them.
func (s *Schedules) Grants(ctx context.Context, schedule string) ([]approvals.Grant, error) {
	var all []approvals.Grant
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		all, err = loadGrants(ctx, tx, "schedule = $1 AND ended = 0 ORDER BY at, id", schedule)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the standing approvals of %s: %w", schedule, err)
	}
	return all, nil
}

func loadGrants(ctx context.Context, tx Tx, where string, args ...any) ([]approvals.Grant, error) {
	var all []approvals.Grant
	err := each(ctx, tx, func(row Row) error {
		g := approvals.Grant{Envelope: &approvals.Envelope{}}
		var envelope, approvers string
		var at, expires int64
		err := row.Scan(&g.ID, &g.Schedule, &envelope, &g.Digest, &g.Reviewer.Team, &g.Reviewer.ID, &g.Reviewer.Name, &approvers, &at, &expires)
		if err != nil {
			return err
		}
		g.At, g.Expires = fromMS(at), fromMS(expires)
		if err := fromJSON(approvers, &g.Approvers); err != nil {
			return err
		}
		if fromJSON(envelope, g.Envelope) != nil {
			g.Envelope = nil // what cannot be read covers nothing
		}
		all = append(all, g)
		return nil
	}, "SELECT id, schedule, envelope, digest, reviewer_team, reviewer_id, reviewer_name, approvers, at, expires FROM grants WHERE "+where, args...)
	return all, err
}

// EndGrant ends a standing approval; one that is ended already is approvals.ErrConflict.
func (s *Schedules) EndGrant(ctx context.Context, id string, by approvals.Actor, what string, e engine.Event) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE grants SET ended = $2, ended_by = $3, reason = $4 WHERE id = $1 AND ended = 0", id, now, by.ID, what)
		if err != nil {
			return err
		}
		if n == 0 {
			return approvals.ErrConflict
		}
		gs, err := loadGrants(ctx, tx, "id = $1", id)
		if err != nil {
			return err
		}
		return s.db.told(ctx, tx, e, auditedGrant(gs[0], what, by))
	})
	if err != nil {
		return fmt.Errorf("end the standing approval %s: %w", id, err)
	}
	return nil
}
