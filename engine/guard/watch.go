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
	maxEvery   = 500 * time.Millisecond
	probeBound = time.Second // of one look at the server
	blindLooks = 2           // looks in a row that may learn nothing
)

// Watch looks at a server on connections of its own, at least every 500 ms, until ctx is done
// (nil) or the guard refuses (*Refused). The caller kills the statement.
//
// Its lookers do not wait for each other. The pulse asks one statement that never waits, and sees
// read_only go off and another server answer. The full look asks every validator that judges by
// itself; before 8.0 its SHOW SLAVE STATUS waits behind a STOP SLAVE, which is just what a failover does.
// Each validator that asks somebody else (an external source, a plugin) has a looker of its own,
// bounded by AskTimeout, and is asked about what the full look saw last. Whoever refuses first ends
// the watch. A refusal with a cause ends it at once; a looker that learns nothing looks again (on a
// new connection) and refuses if that goes on, because a blind watch protects nobody.
//
// Start it after a STOP REPLICA of one's own has returned: while that waits for a long transaction to
// end, the full look waits with it (before 8.0) and is taken for blind. Appliers that stand still then are no
// reason to refuse, ours (Expectation.Stopped) or anybody's.
func (g *Guard) Watch(ctx context.Context, srv *dbconn.Server, topo topology.Topology, e Expectation, every time.Duration) error {
	if every <= 0 || every > maxEvery {
		every = maxEvery
	}
	lookers, all := errgroup.WithContext(ctx)
	look := func(glance func(context.Context) Verdict) {
		lookers.Go(func() error { return watch(all, srv.Name, every, glance) })
	}
	pulse, full := &eye{srv: srv}, &eye{srv: srv}
	defer pulse.close()
	defer full.close()
	look(func(ctx context.Context) Verdict {
		return pulse.look(ctx, func(ctx context.Context, sess *dbconn.Session) Verdict {
			return g.pulse(ctx, sess, srv, topo, e)
		})
	})
	var last atomic.Pointer[Subject] // what the full look saw
	seen := make(chan struct{})      // closed when it saw anything
	first := sync.OnceFunc(func() { close(seen) })
	look(func(ctx context.Context) Verdict {
		return full.look(ctx, func(ctx context.Context, sess *dbconn.Session) Verdict {
			s := see(ctx, sess, srv, Subject{Running: true, Topology: topo, Expect: e})
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
		look(func(ctx context.Context) Verdict {
			select {
			case <-ctx.Done():
				return Verdict{}
			case <-seen:
			}
			return g.ask(ctx, *last.Load(), g.others[n:n+1])
		})
	}
	err := lookers.Wait()
	var no *Refused
	if errors.As(err, &no) {
		g.note(e, no.Verdict)
	}
	return err
}

// watch looks until ctx is done or a verdict refuses.
func watch(ctx context.Context, name string, every time.Duration, look func(context.Context) Verdict) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	blind := 0
	for {
		switch v := look(ctx); {
		case ctx.Err() != nil:
			return nil
		case v.Allowed():
			blind = 0
		case v.Known() || blind >= blindLooks:
			return &Refused{Host: name, Verdict: v}
		default:
			blind++
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// eye is a looker's connection. It dials when there is none, and gives up one on which nothing was
// learned.
type eye struct {
	srv  *dbconn.Server
	sess *dbconn.Session
}

// look is one look within probeBound.
func (y *eye) look(ctx context.Context, do func(context.Context, *dbconn.Session) Verdict) Verdict {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	if y.sess == nil {
		var err error
		if y.sess, err = y.srv.Session(ctx); err != nil {
			y.sess = nil
			return unseen(y.srv, err)
		}
	}
	v := do(ctx, y.sess)
	if !v.Allowed() {
		y.close()
	}
	return v
}

// close ends the connection, if there is one.
func (y *eye) close() {
	if y.sess != nil {
		_ = y.sess.Close() // it was only read on
		y.sess = nil
	}
}

// pulse asks for the settings alone and judges what they show.
func (g *Guard) pulse(ctx context.Context, sess *dbconn.Session, srv *dbconn.Server, topo topology.Topology, e Expectation) Verdict {
	facts, err := dbconn.ReadFacts(ctx, sess)
	if err != nil {
		return unseen(srv, err)
	}
	inst, err := topology.FromFacts(srv.Name, srv.Addr, facts)
	if err != nil {
		return unseen(srv, err)
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
