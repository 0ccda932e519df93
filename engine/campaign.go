package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Campaign is what is left of a run over a cluster whose replicas are done: its primary, which can
// be done as a replica after the next switchover. It opens with the end of the run's last job, in
// the same transaction, and ends when the request for the old primary is made, its time is over or a
// person stops it:
//
//	open ─▶ asked | expired | stopped
//
// It is no permission: the request it makes needs a second person like any other.
type Campaign struct {
	RequestID string    `json:"request_id"` // of the run over the cluster; its thread is the campaign's
	Cluster   string    `json:"cluster"`
	Host      string    `json:"host"`
	NextID    string    `json:"next_id,omitempty"` // the request for the old primary, reserved before it is made
	Opened    time.Time `json:"opened"`
	Expires   time.Time `json:"expires"` // zero in the facts of its opening and its stop: the life is configuration of the bot
}

// CampaignState is where a campaign stands.
type CampaignState string

// States of a campaign.
const (
	CampaignOpen    CampaignState = "open"
	CampaignAsked   CampaignState = "asked"
	CampaignExpired CampaignState = "expired"
	CampaignStopped CampaignState = "stopped"
)

// campaignLook bounds one look at a cluster for a campaign.
const campaignLook = 30 * time.Second

// ReplicaNow reports whether a host is a running replica by now: by a discovery newer than since,
// or else, with look, by walking the cluster. The walk only reads, and it goes where the
// configuration allows and nowhere else. It starts from a host that answers.
func (d *Dispatcher) ReplicaNow(ctx context.Context, cluster, host string, since time.Time, look bool) (bool, error) {
	last, err := d.o.Discoveries.NewestDiscovery(ctx, cluster, "")
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("read the newest discovery of %s: %w", cluster, err)
	}
	if err == nil && last.At.After(since) && replicates(last.Topology, host) {
		return true, nil
	}
	access := d.o.Targets.Access(cluster)
	if !look || access == nil {
		return false, nil
	}
	if _, ok := access.Lookup(host); !ok {
		return false, nil // no longer configured: nobody may send credentials there
	}
	ctx, cancel := context.WithTimeout(ctx, campaignLook)
	defer cancel()
	t, err := walkFromAny(ctx, access, topology.Options{})
	return err == nil && replicates(t, host), err
}

// replicates reports whether a host of a topology is a replica whose channels run.
func replicates(t topology.Topology, host string) bool {
	in, ok := t.Find(host)
	if !ok || !in.Reached || len(in.Links) == 0 || in.Role == topology.RolePrimary {
		return false
	}
	for _, l := range in.Links {
		if !l.Running() {
			return false
		}
	}
	return true
}

// walkFromAny walks a cluster from the first configured host that answers.
func walkFromAny(ctx context.Context, a *dbconn.Access, o topology.Options) (topology.Topology, error) {
	var errs []error
	for _, h := range a.Hosts {
		t, err := topology.Discover(ctx, a, h.Addr, o)
		if err == nil {
			return t, nil
		}
		errs = append(errs, fmt.Errorf("discover %s from %s: %w", a.Cluster, h.Name, err))
	}
	return topology.Topology{}, errors.Join(errs...)
}
