package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// Reload is one try of a process to take a new configuration. It holds no secret: changes say that
// one differs and not what it is.
type Reload struct {
	At       time.Time `json:"-"`
	Refused  bool      `json:"-"`
	By       string    `json:"-"`       // chat user id, where a person asked for it
	Node     string    `json:"node"`    // machine and process, for people
	Process  string    `json:"process"` // names this start of the process
	File     string    `json:"file"`
	Why      string    `json:"why"`            // file, signal or api
	Hash     string    `json:"hash,omitempty"` // of the configuration in force after it
	Changes  []string  `json:"changes,omitempty"`
	Restart  []string  `json:"restart,omitempty"` // keys that count after a restart
	Mistakes []string  `json:"mistakes,omitempty"`
}

// TellReload appends a reload to the event log.
func (s *Facts) TellReload(ctx context.Context, r Reload) error {
	kind := engine.EventConfigReloaded
	if r.Refused {
		kind = engine.EventConfigRefused
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return appendFact(ctx, tx, now, kind, "", "", r.By, r)
	})
	if err != nil {
		return fmt.Errorf("store what became of a reload: %w", err)
	}
	return nil
}

// Reloads lists the newest reloads of all processes, newest first.
func (s *Facts) Reloads(ctx context.Context, limit int) ([]Reload, error) {
	var out []Reload
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			e, err := scanEvent(row)
			if err != nil {
				return err
			}
			r := Reload{At: e.At, Refused: e.Kind == engine.EventConfigRefused, By: e.Actor}
			if err := json.Unmarshal(e.Data, &r); err != nil {
				return err
			}
			out = append(out, r)
			return nil
		}, `SELECT seq, at, kind, request_id, job_id, step, actor, data FROM events
			WHERE request_id = '' AND kind IN ($1, $2) ORDER BY seq DESC LIMIT $3`, string(engine.EventConfigReloaded), string(engine.EventConfigRefused), limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read the reloads: %w", err)
	}
	return out, nil
}
