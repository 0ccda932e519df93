package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/topology"
)

// Look names a stored discovery: the request that made it and when it looked. A discovery that ran
// again has another time.
type Look struct {
	ID string
	At time.Time
}

// RecallStore is the store behind a Recall, shared by all nodes. What is not there is ErrNotFound.
type RecallStore interface {
	// SaveDiscovery as in Discoveries.
	SaveDiscovery(ctx context.Context, l Lease, d Discovery) error
	// NewestLook names what NewestDiscovery of Discoveries returns, without reading it.
	NewestLook(ctx context.Context, cluster, host string) (Look, error)
	// Discovery returns the one a request made.
	Discovery(ctx context.Context, requestID string) (Discovery, error)
	// NewestRefusal is the verdict that ended the newest refused job on a host after since.
	NewestRefusal(ctx context.Context, cluster, host string, since time.Time) (guard.Verdict, error)
}

// RecallOptions are the parts of a Recall.
type RecallOptions struct {
	Store    RecallStore
	Keep     time.Duration // how long a discovery stays in memory; 10 min
	Refusals *guard.Cache  // what this process's guards remember; nil: nothing
	Refuse   time.Duration // how long a stored refusal refuses again; the cache's own time for what is in memory
	Dir      string        // folder of the last snapshots; empty: none are kept
	Now      func() time.Time
	Log      *zap.Logger
}

// Recall answers what is known of hosts without touching them: topologies and table inventories of
// discoveries, and refusals of the guard. It looks in memory, then in the store, then in the last
// snapshots on disk; package comment, "What is known".
//
// What it returns is shared by all who ask and must not be changed.
type Recall struct {
	o  RecallOptions
	mu sync.Mutex // guards what follows
	m  map[place]kept
	n  map[Read]int64
}

var _ Discoveries = (*Recall)(nil)

// place is what a newest discovery is asked for by: a cluster and, if not empty, an inventoried host.
type place struct{ cluster, host string }

// kept is a discovery in memory.
type kept struct {
	d  Discovery
	at time.Time // when it was read or saved
}

// Read is one kind of question to one layer of a Recall.
type Read struct {
	What  string // discovery, refusal
	Layer string // memory, store, disk
	Hit   bool
}

// What and Layer of a Read.
const (
	readDiscovery, readRefusal         = "discovery", "refusal"
	layerMemory, layerStore, layerDisk = "memory", "store", "disk"
)

// maxKept bounds the discoveries in memory; one of a host with 500 tables is about 300 KiB.
const maxKept = 256

// NewRecall returns a Recall with defaults filled in.
func NewRecall(o RecallOptions) *Recall {
	if o.Keep <= 0 {
		o.Keep = 10 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Recall{o: o, m: map[place]kept{}, n: map[Read]int64{}}
}

// SaveDiscovery implements Discoveries: what was saved is in all layers.
func (c *Recall) SaveDiscovery(ctx context.Context, l Lease, d Discovery) error {
	if err := c.o.Store.SaveDiscovery(ctx, l, d); err != nil {
		return err
	}
	c.keep(place{d.Cluster, ""}, d)
	for _, h := range d.Hosts {
		if h.Error == "" {
			c.keep(place{d.Cluster, h.Name}, d)
		}
	}
	return nil
}

// NewestDiscovery implements Discoveries. The store says which one is the newest, so that memory
// never hides what another node found; it is read only if memory does not have it. While the store
// does not answer, memory and then the disk do: Discovery.At tells how old that is.
func (c *Recall) NewestDiscovery(ctx context.Context, cluster, host string) (Discovery, error) {
	p := place{cluster, host}
	look, err := c.o.Store.NewestLook(ctx, cluster, host)
	switch {
	case errors.Is(err, ErrNotFound):
		c.count(readDiscovery, layerStore, false)
		return Discovery{}, err
	case err != nil:
		return c.without(ctx, p, err)
	}
	d, ok := c.remembered(p, look)
	if c.count(readDiscovery, layerMemory, ok); ok {
		return d, nil
	}
	d, err = c.o.Store.Discovery(ctx, look.ID)
	if err != nil {
		return c.without(ctx, p, err)
	}
	c.count(readDiscovery, layerStore, true)
	c.keep(p, d)
	return d, nil
}

// without answers while the store does not.
func (c *Recall) without(ctx context.Context, p place, cause error) (Discovery, error) {
	if ctx.Err() != nil {
		return Discovery{}, cause
	}
	c.count(readDiscovery, layerStore, false)
	d, ok := c.remembered(p, Look{})
	if c.count(readDiscovery, layerMemory, ok); ok {
		return d, nil
	}
	d, err := readSnapshot(c.o.Dir, p)
	if c.count(readDiscovery, layerDisk, err == nil); err != nil {
		return Discovery{}, errors.Join(fmt.Errorf("read the newest discovery: %w", cause), err)
	}
	c.o.Log.Warn("the store does not answer; a snapshot on disk does", zap.String("cluster", p.cluster), zap.String("host", p.host),
		zap.Time("seen", d.At), zap.Error(cause))
	return d, nil
}

// remembered is the discovery in memory that look names, whoever asked for it first; an empty look
// takes what is there for the place.
func (c *Recall) remembered(p place, look Look) (Discovery, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	maps.DeleteFunc(c.m, func(_ place, k kept) bool { return now.Sub(k.at) >= c.o.Keep })
	if look.ID == "" {
		k, ok := c.m[p]
		return k.d, ok
	}
	for _, k := range c.m {
		if k.d.ID == look.ID && k.d.At.UnixMilli() == look.At.UnixMilli() { // the store keeps milliseconds
			c.m[p] = k
			return k.d, true
		}
	}
	return Discovery{}, false
}

// keep puts a discovery into memory and on disk.
func (c *Recall) keep(p place, d Discovery) {
	c.mu.Lock()
	for len(c.m) >= maxKept {
		oldest, at := place{}, time.Time{}
		for q, k := range c.m {
			if at.IsZero() || k.at.Before(at) {
				oldest, at = q, k.at
			}
		}
		delete(c.m, oldest)
	}
	c.m[p] = kept{d: d, at: c.o.Now()}
	c.mu.Unlock()
	if err := writeSnapshot(c.o.Dir, p, d); err != nil { // the last layer: the others have it
		c.o.Log.Warn("no snapshot on disk", zap.String("cluster", p.cluster), zap.Error(err))
	}
}

// Refused is a refusal of a server that is younger than since (the look it would be planned from)
// and not out of date; false says nothing, and never that the server may be touched.
func (c *Recall) Refused(ctx context.Context, cluster string, in topology.Instance, since time.Time) (guard.Verdict, bool) {
	if c.o.Refusals != nil {
		v, ok := c.o.Refusals.Refusal(in.Identity)
		ok = ok && v.Findings[0].At.After(since)
		if c.count(readRefusal, layerMemory, ok); ok {
			return v, true
		}
	}
	if oldest := c.o.Now().Add(-c.o.Refuse); oldest.After(since) {
		since = oldest
	}
	v, err := c.o.Store.NewestRefusal(ctx, cluster, in.Name, since)
	if err != nil && !errors.Is(err, ErrNotFound) && ctx.Err() == nil {
		c.o.Log.Warn("refusals not read", zap.String("instance", in.Name), zap.Error(err)) // the guard asks anew before anything runs
	}
	v = v.Lasting()
	c.count(readRefusal, layerStore, v.Known())
	return v, v.Known()
}

// Reads are the questions asked so far.
func (c *Recall) Reads() map[Read]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

func (c *Recall) count(what, layer string, hit bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[Read{What: what, Layer: layer, Hit: hit}]++
}
