package guard

import (
	"context"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// permitProbe bounds the look before a statement: a server that hangs must not hang its job.
const permitProbe = 5 * time.Second

// Permit asks for permission on the session that will run the statement, immediately before it. A
// nil error means allowed; *Refused carries the verdict, with everything that was heard. A server
// that does not answer in time refuses, and its session is broken then.
func (g *Guard) Permit(ctx context.Context, sess *dbconn.Session, topo topology.Topology, e Expectation) (Verdict, error) {
	probe, cancel := context.WithTimeout(ctx, permitProbe)
	defer cancel()
	v := g.Ask(ctx, see(probe, sess, sess.Server, Subject{Topology: topo, Expect: e}))
	g.note(e, v)
	if v.Allowed() {
		return v, nil
	}
	return v, &Refused{Host: sess.Server.Name, Verdict: v}
}

// see probes a server. A probe that fails leaves the instance incomplete, which refuses; what was
// read of it is judged all the same, so that a server that says read_only=0 and then hangs is
// refused for the right reason.
func see(ctx context.Context, q dbconn.Querier, srv *dbconn.Server, s Subject) Subject {
	inst, err := topology.Probe(ctx, q, srv)
	if err != nil && len(inst.Missing) == 0 {
		inst.Missing, inst.Unreached = []string{"it " + topology.Words(err)}, topology.Words(err)
	}
	if known, ok := s.Topology.ByIdentity(inst.Identity); ok {
		inst.Name = known.Name
	}
	s.Instance, s.Fresh = inst, true
	return s
}
