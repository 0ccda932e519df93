package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
)

// SaveDiscovery implements engine.Discoveries. A discovery that ran again replaces its first result.
func (s *Journal) SaveDiscovery(ctx context.Context, l engine.Lease, d engine.Discovery) error {
	return s.fenced(ctx, l, "save discovery", func(ctx context.Context, tx Tx, job engine.Job, now int64) error {
		if d.ID != job.RequestID {
			return errors.New("the discovery belongs to another request")
		}
		body, err := toJSON(d)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO discoveries (request_id, job_id, cluster, target, at, body) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (request_id) DO UPDATE SET at = excluded.at, body = excluded.body`,
			d.ID, job.ID, d.Cluster, d.Target, toMS(d.At), body)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM discovery_hosts WHERE request_id = $1", d.ID); err != nil {
			return err
		}
		for _, h := range d.Hosts {
			if h.Error != "" {
				continue
			}
			_, err := tx.Exec(ctx, "INSERT INTO discovery_hosts (request_id, host) VALUES ($1, $2) ON CONFLICT DO NOTHING", d.ID, h.Name)
			if err != nil {
				return err
			}
		}
		return s.append(ctx, tx, job, now, engine.Event{Kind: engine.EventDiscovered})
	})
}

// NewestDiscovery implements engine.Discoveries. An empty cluster means any.
func (s *Journal) NewestDiscovery(ctx context.Context, cluster, host string) (engine.Discovery, error) {
	return newestDiscovery(ctx, s.db, cluster, host)
}

// NewestLook implements engine.RecallStore.
func (s *Journal) NewestLook(ctx context.Context, cluster, host string) (engine.Look, error) {
	var l engine.Look
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		var at int64
		from, args := newestOf(cluster, host)
		err := tx.QueryRow(ctx, "SELECT d.request_id, d.at "+from, args...).Scan(&l.ID, &at)
		l.At = fromMS(at)
		return orNotFound(err)
	})
	if err != nil {
		return engine.Look{}, fmt.Errorf("find the newest discovery: %w", err)
	}
	return l, nil
}

// Discovery implements engine.RecallStore.
func (s *Journal) Discovery(ctx context.Context, requestID string) (engine.Discovery, error) {
	return discoveryOf(ctx, s.db, requestID)
}

// NewestRefusal implements engine.RecallStore. The verdict is in the log of events: a refusal is
// a fact like any other and needs no second place.
func (s *Journal) NewestRefusal(ctx context.Context, cluster, host string, since time.Time) (guard.Verdict, error) {
	var v guard.Verdict
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		var data string
		err := tx.QueryRow(ctx, `SELECT e.data FROM jobs j JOIN events e ON e.request_id = j.request_id AND e.job_id = j.id
			WHERE j.host = $2 AND j.cluster = $1 AND j.state = 'refused' AND j.ended > $3 AND e.kind = $4
			ORDER BY e.seq DESC LIMIT 1`, cluster, host, toMS(since), string(engine.EventJobRefused)).Scan(&data)
		if err != nil {
			return orNotFound(err)
		}
		if data == "" {
			return engine.ErrNotFound // refused without a verdict: the plan was not the approved one
		}
		return fromJSON(data, &v)
	})
	if err != nil {
		return guard.Verdict{}, fmt.Errorf("find the newest refusal: %w", err)
	}
	return v, nil
}

// discoveryOf and newestDiscovery are shared by the engine's and the conversation's view.
func discoveryOf(ctx context.Context, db *DB, requestID string) (engine.Discovery, error) {
	return readDiscovery(ctx, db, "SELECT body FROM discoveries WHERE request_id = $1", requestID)
}

// newestOf finds the newest discovery of a cluster that inventoried a host; empty: any.
func newestOf(cluster, host string) (from string, args []any) {
	var c conditions
	c.when(cluster != "", "d.cluster = ?", cluster)
	c.when(host != "", "EXISTS (SELECT 1 FROM discovery_hosts h WHERE h.request_id = d.request_id AND h.host = ?)", host)
	end := c.limit(1)
	return "FROM discoveries d" + c.where() + " ORDER BY d.at DESC, d.request_id" + end, c.args
}

func newestDiscovery(ctx context.Context, db *DB, cluster, host string) (engine.Discovery, error) {
	from, args := newestOf(cluster, host)
	return readDiscovery(ctx, db, "SELECT d.body "+from, args...)
}

// readDiscovery reads the body a query finds.
func readDiscovery(ctx context.Context, db *DB, query string, args ...any) (engine.Discovery, error) {
	var d engine.Discovery
	err := db.Read(ctx, func(ctx context.Context, tx Tx) error {
		var body string
		err := tx.QueryRow(ctx, query, args...).Scan(&body)
		if err != nil {
			return orNotFound(err)
		}
		return fromJSON(body, &d)
	})
	if err != nil {
		return d, fmt.Errorf("read discovery: %w", err)
	}
	return d, nil
}

// orNotFound says that a row is not there in the engine's words.
func orNotFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return engine.ErrNotFound
	}
	return err
}
