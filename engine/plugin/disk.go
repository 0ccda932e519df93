package plugin

import (
	"context"
	"fmt"
	"sync"
	"time"

	"mysql-recycler/engine/throttle"
)

// diskFresh is how long an answer is good: a running statement is looked at every two seconds, and
// no disk fills that fast against a reserve of gigabytes.
const diskFresh = 10 * time.Second

// disk asks a plugin what is free on one host. One answer serves both places, and whoever asks again
// within diskFresh.
type disk struct {
	p   *Plugin
	req Request

	mu  sync.Mutex
	at  time.Time
	got Answer
	err error
}

// AsDisks is the plugin as the probes of a host's two places.
func (p *Plugin) AsDisks(cluster string, h *Host) throttle.Disks {
	d := &disk{p: p, req: Request{Action: FreeDisk, Cluster: cluster, Host: h}}
	return throttle.Disks{Data: place{d, false}, Temp: place{d, true}}
}

// place is one of the two places.
type place struct {
	disk *disk
	temp bool
}

var _ throttle.DiskProbe = place{}

// Free implements throttle.DiskProbe. A no is somebody who does not know, a number below zero nobody
// who can be believed.
func (p place) Free(ctx context.Context) (throttle.Space, error) {
	a, err := p.disk.ask(ctx)
	if err != nil || a.Result != resultOK {
		return throttle.Space{}, err
	}
	v := a.Data
	if p.temp {
		v = a.Temp
	}
	if v == nil {
		return throttle.Space{}, nil
	}
	s := throttle.Space{Bytes: *v, Known: true}
	if a.Shared {
		s.On = "plugin " + p.disk.p.Name
	}
	return s, nil
}

// ask answers from the last question while that is fresh.
func (d *disk) ask(ctx context.Context) (Answer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) < diskFresh {
		return d.got, d.err
	}
	a, err := d.p.Ask(ctx, d.req)
	if ctx.Err() != nil { // who asked has gone: that is nobody else's answer
		return Answer{}, context.Cause(ctx)
	}
	for _, v := range []*int64{a.Data, a.Temp} {
		if v != nil && *v < 0 {
			a, err = Answer{}, d.p.broken(ctx, FreeDisk, fmt.Errorf("%w: it has a size below zero", errGarbage), d.p.Timeout)
		}
	}
	d.got, d.err, d.at = a, err, time.Now()
	return a, err
}
