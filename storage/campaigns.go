package storage

import (
	"context"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// openCampaign remembers the primary that a run over a cluster left out, when its last job has
// succeeded. What a schedule asked for needs none: the schedule asks again.
func openCampaign(ctx context.Context, tx Tx, ended engine.Job, now int64) error {
	var primary string
	for _, left := range ended.Plan.Left {
		if left.Primary {
			primary = left.Name
		}
	}
	if primary == "" {
		return nil
	}
	r, err := loadRequest(ctx, tx, ended.RequestID)
	if err != nil {
		return err
	}
	if _, is := r.Requester.Schedule(); is {
		return nil
	}
	var others int64
	err = tx.QueryRow(ctx, "SELECT COUNT(*) FROM jobs WHERE request_id = $1 AND state <> 'succeeded'", r.ID).Scan(&others)
	if err != nil || others > 0 {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO campaigns (request_id, cluster, host, state, opened) VALUES ($1, $2, $3, 'open', $4)",
		r.ID, r.Cluster, primary, now)
	if err != nil {
		return fmt.Errorf("open the campaign of %s: %w", r.ID, err)
	}
	return appendFact(ctx, tx, now, engine.EventCampaignOpened, r.ID, "", "",
		engine.Campaign{RequestID: r.ID, Cluster: r.Cluster, Host: primary, Opened: fromMS(now)})
}

// OpenCampaigns lists those that are open, oldest first.
func (s *Requests) OpenCampaigns(ctx context.Context) ([]engine.Campaign, error) {
	var all []engine.Campaign
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			var c engine.Campaign
			var opened int64
			err := row.Scan(&c.RequestID, &c.Cluster, &c.Host, &c.NextID, &opened)
			c.Opened = fromMS(opened)
			all = append(all, c)
			return err
		}, "SELECT request_id, cluster, host, next_id, opened FROM campaigns WHERE state = 'open' ORDER BY opened, request_id")
	})
	if err != nil {
		return nil, fmt.Errorf("list open campaigns: %w", err)
	}
	return all, nil
}

// ReserveCampaign stores the id of the request that an open campaign is about to make, once.
// Whoever is late gets approvals.ErrConflict.
func (s *Requests) ReserveCampaign(ctx context.Context, c engine.Campaign) error {
	return s.moveCampaign(ctx, c, "UPDATE campaigns SET next_id = $2 WHERE request_id = $1 AND state = 'open' AND next_id = ''", "",
		c.RequestID, c.NextID)
}

// EndCampaign moves an open campaign to asked or expired, with its fact, or answers
// approvals.ErrConflict.
func (s *Requests) EndCampaign(ctx context.Context, c engine.Campaign, to engine.CampaignState) error {
	kind := engine.EventCampaignExpired
	if to == engine.CampaignAsked {
		kind = engine.EventCampaignAsked
	}
	return s.moveCampaign(ctx, c, "UPDATE campaigns SET state = $2 WHERE request_id = $1 AND state = 'open'", kind, c.RequestID, string(to))
}

// StopCampaign ends the open campaign of a request because a person wants it, with its fact and its
// record, or answers engine.ErrNotFound. A request that the campaign has made by then stays.
func (s *Facts) StopCampaign(ctx context.Context, requestID string, by approvals.Actor) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, "UPDATE campaigns SET state = 'stopped' WHERE request_id = $1 AND state = 'open'", requestID)
		if err != nil {
			return err
		}
		if n == 0 {
			return engine.ErrNotFound
		}
		c := engine.Campaign{RequestID: requestID}
		var opened int64
		err = tx.QueryRow(ctx, "SELECT cluster, host, next_id, opened FROM campaigns WHERE request_id = $1", requestID).
			Scan(&c.Cluster, &c.Host, &c.NextID, &opened)
		if err != nil {
			return err
		}
		c.Opened = fromMS(opened)
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := s.db.audit(ctx, tx, now, auditedStop(c, by)); err != nil {
			return err
		}
		return appendFact(ctx, tx, now, engine.EventCampaignStopped, requestID, "", by.ID, c)
	})
	if err != nil {
		return fmt.Errorf("stop the campaign of %s: %w", requestID, err)
	}
	return nil
}

func (s *Requests) moveCampaign(ctx context.Context, c engine.Campaign, query string, kind engine.EventKind, args ...any) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		if n == 0 {
			return approvals.ErrConflict
		}
		if kind == "" {
			return nil
		}
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return appendFact(ctx, tx, now, kind, c.RequestID, "", "", c)
	})
	if err != nil {
		return fmt.Errorf("move the campaign of %s: %w", c.RequestID, err)
	}
	return nil
}
