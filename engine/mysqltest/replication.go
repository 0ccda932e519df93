package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// poll calls done until it says yes or ctx ends; then the error carries what
// done last complained about.
func poll(ctx context.Context, done func() (bool, error)) error {
	wait := 2 * time.Millisecond
	for {
		ok, err := done()
		if ok {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(wait):
			wait = min(2*wait, 100*time.Millisecond)
		}
	}
}

// follow makes n replicate from n.Source and waits until both threads run.
func (c *Cluster) follow(ctx context.Context, n *Node) error {
	d := c.dialect()
	if err := n.Exec(ctx, d.follow(n.Source)); err != nil {
		return err
	}
	err := poll(ctx, func() (bool, error) {
		s, err := d.replicaStatus(ctx, n.DB())
		if err == nil && s.lastError != "" {
			err = errors.New(s.lastError)
		}
		return s.io && s.sql, err
	})
	if err != nil {
		return fmt.Errorf("%s: follow %s: %w", n.Name, n.Source.Name, err)
	}
	return nil
}

// root is the node whose writes reach n: the end of the chain of sources, or
// Nodes[0] where the chain is a ring.
func (c *Cluster) root(n *Node) *Node {
	at := n
	for range c.Nodes {
		if at.Source == nil {
			return at
		}
		at = at.Source
	}
	return c.Nodes[0]
}

// WaitReplicated returns when every running replica has applied what its
// primary had executed at the time of the call. A replica whose applier has
// stopped with an error ends the wait with that error. Servers that are down
// are left out; the replicas below them are not.
func (c *Cluster) WaitReplicated(ctx context.Context) error {
	d := c.dialect()
	positions := map[*Node]string{}
	waits, waitCtx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes {
		root := c.root(n)
		if n == root || n.running() == nil {
			continue
		}
		if _, known := positions[root]; !known {
			pos, err := d.executed(ctx, root.DB())
			if err != nil {
				return errors.Join(fmt.Errorf("position of %s: %w", root.Name, err), waits.Wait())
			}
			positions[root] = pos
		}
		pos := positions[root]
		waits.Go(func() error { return c.waitApplied(waitCtx, n, pos) })
	}
	return waits.Wait()
}

// waitApplied polls n until it has applied pos.
func (c *Cluster) waitApplied(ctx context.Context, n *Node, pos string) error {
	if pos == "" {
		return nil // the primary has written nothing yet
	}
	d := c.dialect()
	err := poll(ctx, func() (bool, error) {
		done, err := d.applied(ctx, n.DB(), pos)
		if done || err != nil {
			return done, err
		}
		s, err := d.replicaStatus(ctx, n.DB())
		if err == nil && s.configured && !s.sql && s.lastError != "" {
			return true, errors.New(s.lastError)
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("%s: wait for %s: %w", n.Name, pos, err)
	}
	return nil
}

// Promote does on n what a failover does: replication stops and is forgotten,
// and n takes writes. Nobody else is told, see Demote.
func (c *Cluster) Promote(ctx context.Context, n *Node) error {
	d := c.dialect()
	if err := n.Exec(ctx, d.unfollow()); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	if err := n.Exec(ctx, d.setReadOnly(false)); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	n.Source, n.readOnly = nil, false
	return nil
}

// Demote makes n a read-only replica of source, whatever it was before: the old
// primary after a failover, or a replica that has to move.
func (c *Cluster) Demote(ctx context.Context, n, source *Node) error {
	d := c.dialect()
	wasPrimary := n.Source == nil
	if err := n.Exec(ctx, d.setReadOnly(true)); err != nil {
		return fmt.Errorf("demote: %w", err)
	}
	n.readOnly = true
	if err := n.Exec(ctx, d.unfollow()); err != nil {
		return fmt.Errorf("demote: %w", err)
	}
	if wasPrimary && d.flavor == MariaDB {
		// A MariaDB primary keeps its own writes apart from its replica position;
		// without this it would ask the new source for its own past.
		if err := n.Exec(ctx, "SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos"); err != nil {
			return fmt.Errorf("demote: %w", err)
		}
	}
	n.Source = source
	return c.follow(ctx, n)
}
