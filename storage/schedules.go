package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// Schedules keeps schedules and what became of their slots. Every change is stored with its event
// and, where a person made it, its link of the audit chain, in one transaction.
type Schedules struct{ db *DB }

// NewSchedules returns the schedules of a database.
func NewSchedules(db *DB) *Schedules { return &Schedules{db: db} }

// auditedSchedule records a change of a schedule.
func auditedSchedule(s approvals.Schedule, by approvals.Actor, what string) AuditRecord {
	return AuditRecord{Action: AuditSchedule, Kind: string(approvals.KindRecycle), Cluster: s.Cluster, Target: s.Target,
		Request: s.ID, Command: s.Command, By: by, Requester: s.Actor().ID, Channel: s.Channel,
		Decision: what, Reason: s.Timing.Cron + " " + s.Timing.Zone}
}

// CreateSchedule inserts a schedule and answers it; when the same act made one before, also one that
// was removed since, it answers that one.
func (s *Schedules) CreateSchedule(ctx context.Context, x approvals.Schedule, e engine.Event) (approvals.Schedule, error) {
	made := x
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if x.Origin != "" { // people make few schedules: no index is worth its column
			all, err := loadSchedules(ctx, tx, "owner_id = $1", x.Owner.ID)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(all, func(o approvals.Schedule) bool { return o.Origin == x.Origin }); i >= 0 {
				made = all[i]
				return nil
			}
		}
		body, err := toJSON(x)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO schedules (id, state, owner_id, editor_id, rev, body) VALUES ($1, $2, $3, $4, $5, $6)",
			x.ID, string(x.State), x.Owner.ID, x.Editor.ID, x.Rev, body)
		if err != nil {
			return err
		}
		return s.db.told(ctx, tx, e, auditedSchedule(x, x.Owner, "added"))
	})
	if err != nil {
		return x, fmt.Errorf("create schedule %s: %w", x.ID, err)
	}
	return made, nil
}

// ChangeSchedule stores a schedule as it is now, whose Rev is one more than what the caller read,
// or answers approvals.ErrConflict. what says in a word what somebody did.
func (s *Schedules) ChangeSchedule(ctx context.Context, x approvals.Schedule, by approvals.Actor, what string, e engine.Event) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		body, err := toJSON(x)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE schedules SET state = $3, editor_id = $4, rev = $2, body = $5 WHERE id = $1 AND rev = $6 AND state <> 'removed'",
			x.ID, x.Rev, string(x.State), x.Editor.ID, body, x.Rev-1)
		if err != nil {
			return err
		}
		if n == 0 {
			return approvals.ErrConflict
		}
		return s.db.told(ctx, tx, e, auditedSchedule(x, by, what))
	})
	if err != nil {
		return fmt.Errorf("change schedule %s: %w", x.ID, err)
	}
	return nil
}

// told appends an event and, unless it has no action, a link of the audit chain.
func (db *DB) told(ctx context.Context, tx Tx, e engine.Event, a AuditRecord) error {
	now, err := db.now(ctx, tx)
	if err != nil {
		return err
	}
	if a.Action != "" {
		if err := db.audit(ctx, tx, now, a); err != nil {
			return err
		}
	}
	if e.Kind == "" {
		return nil
	}
	err = appendEvent(ctx, tx, now, e)
	return err
}

// Schedules lists the schedules that were not removed, in the order of their making.
func (s *Schedules) Schedules(ctx context.Context) ([]approvals.Schedule, error) {
	var all []approvals.Schedule
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		all, err = loadSchedules(ctx, tx, "state <> 'removed' ORDER BY id")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	return all, nil
}

// Schedule returns one schedule, also a removed one, or engine.ErrNotFound.
func (s *Schedules) Schedule(ctx context.Context, id string) (approvals.Schedule, error) {
	var all []approvals.Schedule
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		all, err = loadSchedules(ctx, tx, "id = $1", id)
		return err
	})
	if err == nil && len(all) == 0 {
		err = engine.ErrNotFound
	}
	if err != nil {
		return approvals.Schedule{}, fmt.Errorf("read schedule %s: %w", id, err)
	}
	return all[0], nil
}

func loadSchedules(ctx context.Context, tx Tx, where string, args ...any) ([]approvals.Schedule, error) {
	var all []approvals.Schedule
	err := each(ctx, tx, func(row Row) error {
		var body string
		if err := row.Scan(&body); err != nil {
			return err
		}
		var x approvals.Schedule
		err := fromJSON(body, &x)
		all = append(all, x)
		return err
	}, "SELECT body FROM schedules WHERE "+where, args...)
	return all, err
}

// NewScheduleID returns an id that no schedule has: S- and four characters, or more when those are
// taken.
func (s *Schedules) NewScheduleID(ctx context.Context) (string, error) {
	for _, n := range []int{4, 5, 6} {
		id, err := shortID(n)
		if err != nil {
			return "", fmt.Errorf("make a schedule's id: %w", err)
		}
		id = "S" + id[1:]
		_, err = s.Schedule(ctx, id)
		if errors.Is(err, engine.ErrNotFound) {
			return id, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("make a schedule's id: every try was taken")
}

// ClaimRun makes a slot the caller's: mine is false when the slot was handled before, by this
// process or another one.
func (s *Schedules) ClaimRun(ctx context.Context, r approvals.ScheduleRun, e engine.Event) (mine bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		var there int64
		err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM schedule_runs WHERE schedule = $1 AND slot = $2", r.Schedule, toMS(r.Slot)).Scan(&there)
		if err != nil || there > 0 {
			return err
		}
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO schedule_runs (schedule, slot, state, starts, ends, look_id, request_id, reason, changed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			r.Schedule, toMS(r.Slot), string(r.State), toMS(r.Starts), toMS(r.Ends), r.LookID, r.RequestID, r.Reason, now)
		if err != nil {
			return err
		}
		mine = true
		return s.db.told(ctx, tx, e, AuditRecord{})
	})
	if err != nil {
		return false, fmt.Errorf("claim a slot of %s: %w", r.Schedule, err)
	}
	return mine, nil
}

// MoveRun stores a slot as it is now. When it is no longer what the caller read, in state and
// requests, it answers approvals.ErrConflict: another process was there first, and the same state may
// already be about another request.
func (s *Schedules) MoveRun(ctx context.Context, from, r approvals.ScheduleRun, e engine.Event) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE schedule_runs SET state = $4, starts = $5, ends = $6, look_id = $7, request_id = $8, reason = $9, changed = $10
			WHERE schedule = $1 AND slot = $2 AND state = $3 AND look_id = $11 AND request_id = $12`,
			r.Schedule, toMS(r.Slot), string(from.State), string(r.State), toMS(r.Starts), toMS(r.Ends), r.LookID, r.RequestID, r.Reason, now,
			from.LookID, from.RequestID)
		if err != nil {
			return err
		}
		if n == 0 {
			return approvals.ErrConflict
		}
		return s.db.told(ctx, tx, e, AuditRecord{})
	})
	if err != nil {
		return fmt.Errorf("move a slot of %s to %s: %w", r.Schedule, r.State, err)
	}
	return nil
}

// OpenRuns lists the slots that are being prepared, wait for a decision, or run, oldest first.
func (s *Schedules) OpenRuns(ctx context.Context) ([]approvals.ScheduleRun, error) {
	var runs []approvals.ScheduleRun
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var r approvals.ScheduleRun
			var slot, starts, ends int64
			err := row.Scan(&r.Schedule, &slot, &r.State, &starts, &ends, &r.LookID, &r.RequestID, &r.Reason)
			r.Slot, r.Starts, r.Ends = fromMS(slot), fromMS(starts), fromMS(ends)
			runs = append(runs, r)
			return err
		}, `SELECT schedule, slot, state, starts, ends, look_id, request_id, reason FROM schedule_runs
			WHERE state IN ('claimed', 'looking', 'asked', 'started') ORDER BY slot, schedule`)
	})
	if err != nil {
		return nil, fmt.Errorf("list open slots: %w", err)
	}
	return runs, nil
}

// LastSlot is the newest slot of a schedule that was handled; zero when there is none.
func (s *Schedules) LastSlot(ctx context.Context, id string) (time.Time, error) {
	var slot sql.NullInt64
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return tx.QueryRow(ctx, "SELECT MAX(slot) FROM schedule_runs WHERE schedule = $1", id).Scan(&slot)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read the last slot of %s: %w", id, err)
	}
	return fromMS(slot.Int64), nil
}
