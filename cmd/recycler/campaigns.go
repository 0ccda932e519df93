package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/engine"
)

// campaigns ask for the old primary of a cluster once it is a replica. Only the active bot does it.
type campaigns struct {
	store interface {
		OpenCampaigns(ctx context.Context) ([]engine.Campaign, error)
		ReserveCampaign(ctx context.Context, c engine.Campaign) error
		EndCampaign(ctx context.Context, c engine.Campaign, to engine.CampaignState) error
		NewID(ctx context.Context) (string, error)
	}
	requests interface {
		Submit(ctx context.Context, d approvals.Draft) (approvals.Request, error)
	}
	facts interface {
		Request(ctx context.Context, id string) (approvals.Request, error)
	}
	replica func(ctx context.Context, c engine.Campaign) (bool, error) // is its host a replica now?
	life    func() time.Duration
	log     *zap.Logger
}

// campaignEvery is the time between two looks at the topology of a cluster with an open campaign: a
// switchover is no hurry, and the look reads from each of its servers.
const campaignEvery = 5 * time.Minute

// run looks now and then until ctx ends.
func (c *campaigns) run(ctx context.Context) error {
	every(ctx, campaignEvery, func(ctx context.Context) error { return c.round(ctx, time.Now()) }, c.log.Warn, "campaigns")
	return nil
}

// round brings every open campaign forward. One that fails does not hold the others up.
func (c *campaigns) round(ctx context.Context, now time.Time) error {
	open, err := c.store.OpenCampaigns(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range open {
		x.Expires = x.Opened.Add(c.life())
		if err := c.forward(ctx, x, now); err != nil && !errors.Is(err, approvals.ErrConflict) { // else another bot was first
			errs = append(errs, fmt.Errorf("campaign of %s: %w", x.RequestID, err))
		}
	}
	return errors.Join(errs...)
}

// forward asks, or lets a campaign end. The id of the request is stored before the request is, so
// whoever comes after a crash makes the same one.
func (c *campaigns) forward(ctx context.Context, x engine.Campaign, now time.Time) error {
	if x.NextID == "" {
		if !now.Before(x.Expires) {
			return c.store.EndCampaign(ctx, x, engine.CampaignExpired)
		}
		is, err := c.replica(ctx, x)
		if err != nil || !is {
			return err
		}
		if x.NextID, err = c.store.NewID(ctx); err != nil {
			return err
		}
		if err := c.store.ReserveCampaign(ctx, x); err != nil {
			return err
		}
	}
	r, err := c.facts.Request(ctx, x.RequestID)
	if err != nil {
		return err
	}
	if err := c.ask(ctx, x, r); err != nil {
		return err
	}
	return c.store.EndCampaign(ctx, x, engine.CampaignAsked)
}

// ask requests a look at the old primary for the run that the person asked for: its tables were
// never inventoried. The card stands in the campaign's thread, and the run's after it.
func (c *campaigns) ask(ctx context.Context, x engine.Campaign, r approvals.Request) error {
	line, err := bot.Parse(r.Command)
	if err != nil {
		return err
	}
	line.Target, line.After, line.BreakGlass = x.Host, bot.ThreadOf(r), false // this can wait for the ordinary rules
	_, err = c.requests.Submit(ctx, approvals.Draft{
		ID: x.NextID, Kind: approvals.KindDiscover, Cluster: x.Cluster, Target: x.Host, Command: line.String(),
		Requester: r.Requester, Barred: r.Barred, Channel: r.Channel,
	})
	if err == nil {
		return nil
	}
	if there, rerr := c.facts.Request(ctx, x.NextID); rerr == nil && there.Command == line.String() {
		return nil // made before a crash
	}
	return err
}

// campaignLife is how long a campaign stays open, as configured now.
func (a *app) campaignLife() time.Duration { return a.conf.Load().config.Engine.CampaignLife }

// campaigns are those of this program. Only a node that works in a cluster's region walks it; the
// others rely on discoveries.
func (a *app) campaigns() *campaigns {
	return &campaigns{
		store: a.stores.requests, requests: a.service, facts: a.stores.facts, log: a.log.Named("campaign"),
		life: a.campaignLife,
		replica: func(ctx context.Context, c engine.Campaign) (bool, error) {
			look := a.conf.Load().config.Node.Works(a.conf.region(c.Cluster))
			return a.dispatcher.ReplicaNow(ctx, c.Cluster, c.Host, c.Opened, look)
		},
	}
}
