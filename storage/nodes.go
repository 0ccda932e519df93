package storage

import (
	"context"
	"fmt"
	"time"
)

// Node is one process of those that share the database.
type Node struct {
	Process string // of one start
	Name    string // of the machine or as configured: what holds name
	Roles   string
	Regions string // that it works; empty: it works none
	Program string // version
	Running int    // jobs it runs
	Started time.Time
	Seen    time.Time
	Alive   bool // seen a moment ago
}

// Times of nodes: when one that was not seen is shown as gone, and when its row goes.
const (
	nodeGone   = 15 * time.Second
	nodeForget = 24 * time.Hour
)

// Nodes is the list of processes.
type Nodes struct{ db *DB }

// NewNodes returns the nodes of a database.
func NewNodes(db *DB) *Nodes { return &Nodes{db: db} }

// Beat says that a node is alive and what it runs, forgets long gone ones, and tells whether the
// node is held.
func (s *Nodes) Beat(ctx context.Context, n Node) (held bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO nodes (process, name, roles, regions, program, running, started, seen) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
			ON CONFLICT (process) DO UPDATE SET running = excluded.running, seen = excluded.seen`,
			n.Process, n.Name, n.Roles, n.Regions, n.Program, n.Running, now)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM nodes WHERE seen < $1", now-nodeForget.Milliseconds()); err != nil {
			return err
		}
		var holds int
		err = tx.QueryRow(ctx, "SELECT COUNT(*) FROM holds WHERE kind = 'node' AND name = $1", n.Name).Scan(&holds)
		held = holds > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("say that this node is alive: %w", err)
	}
	return held, nil
}

// Leave removes a node that ends in good order.
func (s *Nodes) Leave(ctx context.Context, process string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM nodes WHERE process = $1", process)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave the list of nodes: %w", err)
	}
	return nil
}

// All lists the nodes by name, with those that are gone.
func (s *Nodes) All(ctx context.Context) ([]Node, error) {
	var all []Node
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(row Row) error {
			var n Node
			var started, seen int64
			err := row.Scan(&n.Process, &n.Name, &n.Roles, &n.Regions, &n.Program, &n.Running, &started, &seen)
			n.Started, n.Seen, n.Alive = fromMS(started), fromMS(seen), now-seen < nodeGone.Milliseconds()
			all = append(all, n)
			return err
		}, "SELECT process, name, roles, regions, program, running, started, seen FROM nodes ORDER BY name, started, process")
	})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	return all, nil
}
