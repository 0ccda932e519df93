package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Permit asks for permission on the session that will run the statement, immediately before it. A
// nil error means allowed; *Refused carries the verdict, with everything that was heard.
func (g *Guard) Permit(ctx context.Context, sess *dbconn.Session, topo topology.Topology, e Expectation) (Verdict, error) {
	v := g.look(ctx, sess, sess.Server, topo, e)
	if v.Allowed() {
		return v, nil
	}
	return v, &Refused{Host: sess.Server.Name, Verdict: v}
}

// look probes a server and asks. A probe that fails leaves the instance incomplete, which refuses;
// what was read of it is judged all the same, so that a server that says read_only=0 and then
// hangs is refused for the right reason.
func (g *Guard) look(ctx context.Context, q dbconn.Querier, srv *dbconn.Server, topo topology.Topology, e Expectation) Verdict {
	inst, err := topology.Probe(ctx, q, srv)
	if err != nil && len(inst.Missing) == 0 {
		inst.Missing = []string{err.Error()}
		if inst.Unreached == "" && !inst.Reached {
			inst.Unreached = err.Error()
		}
	}
	if known, ok := topo.ByIdentity(inst.Identity); ok {
		inst.Name = known.Name
	}
	return g.Ask(ctx, Subject{Instance: inst, Fresh: true, Topology: topo, Expect: e})
}

// Bounds of the watch.
const (
	maxEvery    = 500 * time.Millisecond
	probeBound  = time.Second
	graceFactor = 2 // unknown answers in a row that are borne
)

// Watch looks at a server on a connection of its own, at least every 500 ms, until ctx is done
// (nil) or the guard refuses (*Refused). A refusal with a cause ends it at once. When the server
// cannot be looked at, the watch dials again and refuses if that goes on: a blind watch protects
// nobody. The caller kills the statement.
func (g *Guard) Watch(ctx context.Context, srv *dbconn.Server, topo topology.Topology, e Expectation, every time.Duration) error {
	if every <= 0 || every > maxEvery {
		every = maxEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var sess *dbconn.Session
	defer func() { closeSession(sess) }()
	unknown := 0
	for {
		var v Verdict
		v, sess = g.glance(ctx, srv, sess, topo, e)
		switch {
		case ctx.Err() != nil:
			return nil
		case v.Allowed():
			unknown = 0
		case v.Known() || unknown >= graceFactor:
			return &Refused{Host: srv.Name, Verdict: v}
		default:
			unknown++
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

// glance is one look of the watch; it dials if there is no session.
func (g *Guard) glance(ctx context.Context, srv *dbconn.Server, sess *dbconn.Session, topo topology.Topology, e Expectation) (Verdict, *dbconn.Session) {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	if sess == nil {
		var err error
		if sess, err = srv.Session(ctx); err != nil {
			return g.blind(srv, err), nil
		}
	}
	return g.look(ctx, sess, srv, topo, e), sess
}

// blind is the verdict about a server the watch cannot reach; another server at its address is a
// refusal with a cause.
func (g *Guard) blind(srv *dbconn.Server, err error) Verdict {
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
