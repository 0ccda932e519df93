package guard

import (
	"context"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// Permit asks for permission on the session that will run the statement, immediately before it. A
// nil error means allowed; *Refused carries the verdict, with everything that was heard.
func (g *Guard) Permit(ctx context.Context, sess *dbconn.Session, topo topology.Topology, e Expectation) (Verdict, error) {
	v := g.look(ctx, sess, sess.Server, Subject{Topology: topo, Expect: e})
	g.note(e, v)
	if v.Allowed() {
		return v, nil
	}
	return v, &Refused{Host: sess.Server.Name, Verdict: v}
}

// look probes a server and asks. A probe that fails leaves the instance incomplete, which refuses;
// what was read of it is judged all the same, so that a server that says read_only=0 and then
// hangs is refused for the right reason.
func (g *Guard) look(ctx context.Context, q dbconn.Querier, srv *dbconn.Server, s Subject) Verdict {
	inst, err := topology.Probe(ctx, q, srv)
	if err != nil && len(inst.Missing) == 0 {
		inst.Missing = []string{err.Error()}
		if inst.Unreached == "" && !inst.Reached {
			inst.Unreached = err.Error()
		}
	}
	if known, ok := s.Topology.ByIdentity(inst.Identity); ok {
		inst.Name = known.Name
	}
	s.Instance, s.Fresh = inst, true
	return g.Ask(ctx, s)
}
