package main

import (
	"context"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/storage"
	"mysql-recycler/storage/queue"
)

// fleetOf is the nodes and regions of a database, as the chat asks for them.
type fleetOf struct {
	db    *storage.DB
	queue *queue.Queue
}

// Nodes implements bot.Fleet.
func (f fleetOf) Nodes(ctx context.Context) ([]bot.Node, error) {
	nodes, err := storage.NewNodes(f.db).All(ctx)
	if err != nil {
		return nil, err
	}
	holds, err := storage.NewHolds(f.db).All(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]bot.Node, len(nodes))
	for i, n := range nodes {
		out[i] = bot.Node{Name: n.Name, State: stateOfNode(n, holds), Roles: n.Roles, Regions: n.Regions, Version: n.Program, Running: n.Running, Seen: n.Seen}
	}
	return out, nil
}

// Paused implements bot.Fleet.
func (f fleetOf) Paused(ctx context.Context) ([]bot.PausedRegion, error) {
	holds, err := storage.NewHolds(f.db).All(ctx)
	if err != nil {
		return nil, err
	}
	var out []bot.PausedRegion
	for _, h := range holds {
		if h.Kind == storage.HoldRegion {
			out = append(out, bot.PausedRegion{Region: h.Name, Reason: h.Reason, By: h.By, At: h.At})
		}
	}
	return out, nil
}

// HoldRegion implements bot.Fleet.
func (f fleetOf) HoldRegion(ctx context.Context, region string, by approvals.Actor, paused bool) (bool, error) {
	return f.holdRegion(ctx, region, by, "", paused)
}

// holdRegion pauses a region, by its name for people, or ends that; news is false when it was so before.
func (f fleetOf) holdRegion(ctx context.Context, region string, by approvals.Actor, reason string, paused bool) (news bool, err error) {
	if region == shownRegion("") {
		region = ""
	}
	if paused {
		return f.queue.PauseRegion(ctx, region, by, reason)
	}
	return f.queue.ResumeRegion(ctx, region, by)
}

// HoldNode implements bot.Fleet.
func (f fleetOf) HoldNode(ctx context.Context, node string, by approvals.Actor, drained bool) (bool, error) {
	return holdNode(ctx, f.db, storage.Hold{Kind: storage.HoldNode, Name: node, By: by}, drained)
}

// holdNode stores that a node is drained, or ends that; news is false when it was so before. The node
// sees it at its next beat.
func holdNode(ctx context.Context, db *storage.DB, h storage.Hold, drained bool) (news bool, err error) {
	change := storage.NewHolds(db).Lift
	if drained {
		change = storage.NewHolds(db).Put
	}
	err = db.InTx(ctx, func(ctx context.Context, tx storage.Tx) (err error) {
		news, err = change(ctx, tx, h)
		return err
	})
	return news, err
}
