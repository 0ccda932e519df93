package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Bounds of the watch.
const (
	maxEvery   = 500 * time.Millisecond
	probeBound = time.Second // of one look
	blindLooks = 2           // looks in a row that may learn nothing
)

// Watch looks at a server on connections of its own, at least every 500 ms, until ctx is done
// (nil) or the guard refuses (*Refused). The caller kills the statement.
//
// There are two lookers. The pulse asks one statement that never waits, and sees read_only go off
// and another server answer. The full look asks every validator; its SHOW REPLICA STATUS can wait
// behind a STOP REPLICA, which is just what a failover does. Whoever refuses first ends the watch.
// A refusal with a cause ends it at once; a looker that learns nothing dials again and refuses
// if that goes on, because a blind watch protects nobody.
func (g *Guard) Watch(ctx context.Context, srv *dbconn.Server, topo topology.Topology, e Expectation, every time.Duration) error {
	if every <= 0 || every > maxEvery {
		every = maxEvery
	}
	lookers, both := errgroup.WithContext(ctx)
	lookers.Go(func() error {
		return watch(both, srv, every, func(ctx context.Context, sess *dbconn.Session) Verdict {
			return g.pulse(ctx, sess, srv, topo, e)
		})
	})
	lookers.Go(func() error {
		return watch(both, srv, every, func(ctx context.Context, sess *dbconn.Session) Verdict {
			return g.look(ctx, sess, srv, Subject{Running: true, Topology: topo, Expect: e})
		})
	})
	err := lookers.Wait()
	var no *Refused
	if errors.As(err, &no) {
		g.note(e, no.Verdict)
	}
	return err
}

// watch looks until ctx is done or a verdict refuses.
func watch(ctx context.Context, srv *dbconn.Server, every time.Duration, look func(context.Context, *dbconn.Session) Verdict) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var sess *dbconn.Session
	defer func() { closeSession(sess) }()
	blind := 0
	for {
		var v Verdict
		v, sess = glance(ctx, srv, sess, look)
		switch {
		case ctx.Err() != nil:
			return nil
		case v.Allowed():
			blind = 0
		case v.Known() || blind >= blindLooks:
			return &Refused{Host: srv.Name, Verdict: v}
		default:
			blind++
			closeSession(sess)
			sess = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// glance is one look; it dials if there is no session.
func glance(ctx context.Context, srv *dbconn.Server, sess *dbconn.Session, look func(context.Context, *dbconn.Session) Verdict) (Verdict, *dbconn.Session) {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	if sess == nil {
		var err error
		if sess, err = srv.Session(ctx); err != nil {
			return unseen(srv, err), nil
		}
	}
	return look(ctx, sess), sess
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
		return Verdict{Findings: []Finding{s.refuse(identity{}, fmt.Sprintf("%s is another server than the one approved", srv.Name), err.Error())}}
	}
	return Verdict{Findings: []Finding{s.unknown(identity{}, fmt.Sprintf("%s cannot be watched", srv.Name), err.Error())}}
}

// closeSession closes a session if there is one.
func closeSession(s *dbconn.Session) {
	if s != nil {
		_ = s.Close() // it was only read on
	}
}
