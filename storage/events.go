package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"mysql-recycler/engine"
)

// next gives the next number of a counter. It is part of the transaction, so numbers have no gaps
// and are in the order of commits.
func next(ctx context.Context, tx Tx, counter string) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, "UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value", counter).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", counter, err)
	}
	return n, nil
}

// appendEvent appends one fact at the time at.
func appendEvent(ctx context.Context, tx Tx, at int64, e engine.Event) error {
	seq, err := next(ctx, tx, "events")
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO events (seq, at, kind, request_id, job_id, step, actor, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		seq, at, string(e.Kind), e.RequestID, e.JobID, e.Step, e.Actor, string(e.Data))
	if err != nil {
		return fmt.Errorf("append event %s: %w", e.Kind, err)
	}
	return nil
}

// fact is an event whose data is a value of ours.
func fact(kind engine.EventKind, requestID, jobID, actor string, data any) (engine.Event, error) {
	e := engine.Event{Kind: kind, RequestID: requestID, JobID: jobID, Actor: actor}
	if data == nil {
		return e, nil
	}
	b, err := json.Marshal(data)
	if err != nil {
		return e, fmt.Errorf("marshal data of %s: %w", kind, err)
	}
	e.Data = b
	return e, nil
}

// appendFact appends fact(…) at the time at.
func appendFact(ctx context.Context, tx Tx, at int64, kind engine.EventKind, requestID, jobID, actor string, data any) error {
	e, err := fact(kind, requestID, jobID, actor, data)
	if err != nil {
		return err
	}
	return appendEvent(ctx, tx, at, e)
}

// scanEvent reads one row of events in the order of its columns.
func scanEvent(r Row) (engine.Event, error) {
	var e engine.Event
	var at int64
	var data string
	if err := r.Scan(&e.Seq, &at, &e.Kind, &e.RequestID, &e.JobID, &e.Step, &e.Actor, &data); err != nil {
		return e, err
	}
	e.At = fromMS(at)
	if data != "" {
		e.Data = json.RawMessage(data)
	}
	return e, nil
}
