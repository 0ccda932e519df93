package guard

import (
	"context"
	"fmt"
	"slices"

	"mysql-recycler/engine/topology"
)

// role refuses a server whose role does not fit what was seen around it and what was approved.
type role struct{}

// Name implements Validator.
func (role) Name() string { return "role" }

// Judge implements Validator.
func (v role) Judge(_ context.Context, s Subject) Finding {
	if !s.Instance.Reached {
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows its role", s.name()), s.Instance.Unreached)
	}
	is := roleNow(s)
	evidence := s.evidence("role %s, approved %s", is, orNone(string(s.Expect.Role)))
	if s.Running && is == topology.RoleReplica && s.Expect.Role == topology.RoleIntermediate {
		is = s.Expect.Role // what it had below left it, which is no reason to end a statement
	}
	if s.Expect.Role != "" && is != s.Expect.Role {
		f := s.refuse(v, fmt.Sprintf("%s is %s now; %s was approved", s.name(), article(is), article(s.Expect.Role)), evidence)
		f.Promotion = is == topology.RolePrimary || is == topology.RoleIntermediate || is == topology.RoleStandalone
		return f
	}
	switch is {
	case topology.RoleReplica, topology.RoleIntermediate:
	case topology.RolePrimary:
		if s.primaryAllowed() {
			break
		}
		return s.promoted(v, fmt.Sprintf("%s is the primary of %s", s.name(), orNone(s.Topology.Cluster)), evidence)
	default:
		return s.refuse(v, fmt.Sprintf("%s is %s; only replicas are rebuilt", s.name(), article(is)), evidence)
	}
	if s.Topology.Partial && !s.Expect.AllowPartial {
		return s.unknown(v, fmt.Sprintf("the topology of %s is known in part only", orNone(s.Topology.Cluster)), partialEvidence(s.Topology))
	}
	if name, ok := newReplica(s); ok {
		return s.promoted(v, fmt.Sprintf("%s has a replica that the topology does not know: %s", s.name(), name), evidence)
	}
	for _, l := range s.Instance.Links {
		if i, ok := sourceOf(s, l); (!ok || !i.Reached) && !s.Expect.AllowPartial {
			return s.unknown(v, fmt.Sprintf("the source of %s, %s, is not known in the topology", s.name(), l.Source), evidence)
		}
	}
	return s.accept(v, fmt.Sprintf("%s is %s, as the topology says", s.name(), article(is)), evidence)
}

// article is a role with its article, in words people use.
func article(r topology.Role) string {
	switch r {
	case topology.RoleIntermediate:
		return "an intermediate"
	case topology.RoleStandalone:
		return "a standalone server"
	case topology.RoleUnknown:
		return "a server of unknown role"
	case topology.RoleRelay:
		return "a binlog server"
	case topology.RoleGroupMember:
		return "a group member"
	}
	return "a " + string(r)
}

// roleNow is the role by the instance's own word, corrected by what only the walk can know: a
// writable member of a ring is a primary, and a row that was stale then is no replica.
func roleNow(s Subject) topology.Role {
	i := s.Instance
	i.Replicas = liveReplicas(i, staleIn(s)...)
	is := topology.RoleOf(i)
	if !i.State.ReadOnly && inRing(s) && (is == topology.RoleIntermediate || is == topology.RoleReplica) {
		return topology.RolePrimary
	}
	return is
}

// inRing reports whether the walk saw the server in a ring.
func inRing(s Subject) bool {
	for _, ring := range s.Topology.Rings() {
		if slices.Contains(ring, s.Instance.Identity) {
			return true
		}
	}
	return false
}

// staleIn are the rows of this server that the walk found to be out of date.
func staleIn(s Subject) []topology.Downstream {
	known, ok := s.Topology.ByIdentity(s.Instance.Identity)
	if !ok {
		return nil
	}
	var out []topology.Downstream
	for _, d := range known.Replicas {
		if d.Stale {
			out = append(out, d)
		}
	}
	return out
}

// liveReplicas are the replicas a server lists, without stale rows and without connections that
// never registered as a replica.
func liveReplicas(i topology.Instance, stale ...topology.Downstream) []topology.Downstream {
	var out []topology.Downstream
	for _, d := range i.Replicas {
		if d.Stale || !d.Registered() || slices.ContainsFunc(stale, func(o topology.Downstream) bool { return sameReplica(o, d) }) {
			continue
		}
		out = append(out, d)
	}
	return out
}

// sameReplica compares two rows by the strongest thing both tell.
func sameReplica(a, b topology.Downstream) bool {
	if a.ServerID != 0 && b.ServerID != 0 {
		return a.ServerID == b.ServerID
	}
	return a.Identity != "" && a.Identity == b.Identity
}

// newReplica finds a replica that the walk did not see below this server: the first thing that
// happens after a promotion is that others attach.
func newReplica(s Subject) (string, bool) {
	known, ok := s.Topology.ByIdentity(s.Instance.Identity)
	if !ok {
		return "", false // identity refuses
	}
	for _, d := range liveReplicas(s.Instance) {
		if !slices.ContainsFunc(known.Replicas, func(o topology.Downstream) bool { return sameReplica(o, d) }) {
			return fmt.Sprintf("server_id %d at %s", d.ServerID, d.Addr), true
		}
	}
	return "", false
}

// partialEvidence names what the walk did not reach.
func partialEvidence(t topology.Topology) string {
	text := "walk at " + t.At.Format("15:04:05")
	for _, i := range t.Instances {
		if !i.Reached {
			text += fmt.Sprintf("; %s %s", i.Name, i.Unreached)
		}
	}
	return text
}
