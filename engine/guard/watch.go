package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Bounds of the watch.
const (
	maxEvery   = 500 * time.Millisecond // between two looks of any kind
	probeBound = time.Second            // of one look at the server
	blindLooks = 2                      // looks in a row that may learn nothing
)

// Lookout watches one server while statements run there, one after the other, on connections of its own
// that it keeps from one to the next. It is not safe for concurrent use.
type Lookout struct {
	g           *Guard
	srv         *dbconn.Server
	pulse, full eye
}

// Lookout makes one for a server. It connects when it is needed; close it.
func (g *Guard) Lookout(srv *dbconn.Server) *Lookout {
	return &Lookout{g: g, srv: srv, pulse: eye{srv: srv}, full: eye{srv: srv}}
}

// Close ends its connections.
func (l *Lookout) Close() {
	l.pulse.close()
	l.full.close()
}

// Watch looks at the server until ctx is done (nil) or the guard refuses (*Refused). The caller kills
// the statement. The first look comes after a tick: Permit looked just before.
//
// Its lookers do not wait for each other. The pulse asks one small statement that never waits, and sees
// read_only go off and another server answer: at every tick, at least each 500 ms. The full look asks
// every validator that judges by itself; it costs the server ten times as much and is made at three fifths
// of the pulse's rate, at least each 500 ms too. Before 8.0 its SHOW SLAVE STATUS waits behind a STOP
// SLAVE, which is just what a failover does.
// Each validator that asks somebody else (an external source, a plugin) has a looker of its own,
// bounded by AskTimeout, and is asked about what the full look saw last. Whoever refuses first ends
// the watch. A refusal with a cause ends it at once; a looker that learns nothing looks again (on a
// new connection) and refuses if that goes on, because a blind watch protects nobody.
//
// Start it after a STOP REPLICA of one's own has returned: while that waits for a long transaction to
// end, the full look waits with it (before 8.0) and is taken for blind. Appliers that stand still then are no
// reason to refuse, ours (Expectation.Stopped) or anybody's.
func (l *Lookout) Watch(ctx context.Context, topo topology.Topology, e Expectation, every time.Duration) error {
	if every <= 0 || every > maxEvery {
		every = maxEvery
	}
	g, fully := l.g, min(every*5/3, maxEvery)
	// A look that is under way when ctx ends is waited for, because cutting it off costs its connection.
	// A refusal cuts off the other looks.
	lookers, all := errgroup.WithContext(context.WithoutCancel(ctx))
	look := func(every time.Duration, glance func(context.Context) Verdict) {
		lookers.Go(func() error {
			return watch(ctx, l.srv.Name, every, func() Verdict { return glance(all) }, all.Done())
		})
	}
	asks, enough := context.WithCancel(all)
	defer enough()
	defer context.AfterFunc(ctx, enough)()
	look(every, func(ctx context.Context) Verdict {
		return l.pulse.look(ctx, func(ctx context.Context, sess *dbconn.Session) Verdict {
			return l.beat(ctx, sess, topo, e)
		})
	})
	var last atomic.Pointer[Subject] // what the full look saw
	seen := make(chan struct{})      // closed when it saw anything
	first := sync.OnceFunc(func() { close(seen) })
	look(fully, func(ctx context.Context) Verdict {
		return l.full.look(ctx, func(ctx context.Context, sess *dbconn.Session) Verdict {
			s := see(ctx, sess, l.srv, Subject{Running: true, Topology: topo, Expect: e})
			if len(s.Instance.Missing) == 0 {
				last.Store(&s)
				first()
			}
			if len(g.own) == 0 {
				return Verdict{Findings: []Finding{judge(ctx, identity{}, s)}}
			}
			return g.ask(ctx, s, g.own)
		})
	})
	for n := range g.others {
		look(fully, func(context.Context) Verdict { // of somebody else, who is not waited for
			select {
			case <-asks.Done():
				return Verdict{}
			case <-seen:
			}
			return g.ask(asks, *last.Load(), g.others[n:n+1])
		})
	}
	err := lookers.Wait()
	var no *Refused
	if errors.As(err, &no) {
		g.note(e, no.Verdict)
	}
	return err
}

// watch looks until ctx is done, another looker refuses or a verdict does.
func watch(ctx context.Context, name string, every time.Duration, look func() Verdict, refused <-chan struct{}) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	blind := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-refused:
			return nil
		case <-ticker.C:
		}
		switch v := look(); {
		case ctx.Err() != nil:
			return nil
		case v.Allowed():
			blind = 0
		case v.Known() || blind >= blindLooks:
			return &Refused{Host: name, Verdict: v}
		default:
			blind++
		}
	}
}

// eye is a looker's connection. It dials when there is none, and gives up one on which nothing was
// learned, or which was idle so long between two statements that it may have been cut.
type eye struct {
	srv  *dbconn.Server
	sess *dbconn.Session
	used time.Time
	has  dbconn.Facts // what the server of this connection told of itself; the pulse's only
}

// idleLimit bounds how long a connection that nobody used is trusted.
const idleLimit = 30 * time.Second

// look is one look within probeBound.
func (y *eye) look(ctx context.Context, do func(context.Context, *dbconn.Session) Verdict) Verdict {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	if time.Since(y.used) > idleLimit {
		y.close()
	}
	if y.sess == nil {
		var err error
		if y.sess, err = y.srv.Session(ctx); err != nil {
			y.sess = nil
			return unseen(y.srv, err)
		}
	}
	v := do(ctx, y.sess)
	y.used = time.Now()
	if !v.Allowed() {
		y.close()
	}
	return v
}

// close ends the connection, if there is one.
func (y *eye) close() {
	if y.sess != nil {
		_ = y.sess.Close() // it was only read on
		y.sess, y.has = nil, nil
	}
}

// beat is one look of the pulse: it asks for the settings alone and judges what they show. Which ones a
// server has is learned once per connection.
func (l *Lookout) beat(ctx context.Context, sess *dbconn.Session, topo topology.Topology, e Expectation) Verdict {
	var err error
	if l.pulse.has == nil {
		l.pulse.has, err = dbconn.ReadFacts(ctx, sess)
	} else {
		l.pulse.has, err = l.pulse.has.Again(ctx, sess)
	}
	if err != nil {
		return unseen(l.srv, err)
	}
	inst, err := topology.FromFacts(l.srv.Name, l.srv.Addr, l.pulse.has)
	if err != nil {
		return unseen(l.srv, err)
	}
	if known, ok := topo.ByIdentity(inst.Identity); ok {
		inst.Name = known.Name
	}
	s := Subject{Instance: inst, Fresh: true, Topology: topo, Expect: e}
	return Verdict{Findings: []Finding{judge(ctx, identity{}, s), judge(ctx, readOnly{}, s)}}
}

// unseen is the verdict about a server that could not be looked at; another server at its address
// is a refusal with a cause.
func unseen(srv *dbconn.Server, err error) Verdict {
	s := Subject{Instance: topology.Instance{Name: srv.Name, At: time.Now()}}
	var connect *dbconn.ConnectError
	if errors.As(err, &connect) && connect.Class == dbconn.ClassIdentity {
		return Verdict{Findings: []Finding{s.refuse(identity{}, fmt.Sprintf("%s is another server than the one approved", srv.Name), connect.Words())}}
	}
	return Verdict{Findings: []Finding{s.unknown(identity{}, fmt.Sprintf("%s cannot be watched: it %s", srv.Name, topology.Words(err)), topology.Words(err))}}
}
