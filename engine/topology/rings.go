package topology

import (
	"strings"

	"mysql-recycler/engine/dbconn"
)

// settleRings finds servers that replicate from each other, directly or around. In a ring every
// writable server is a primary; a read-only one is an intermediate like any other.
func settleRings(t *Topology) {
	for _, ring := range t.Rings() {
		var names, writable []string
		for _, id := range ring {
			for n := range t.Instances {
				i := &t.Instances[n]
				if i.Identity != id {
					continue
				}
				names = append(names, i.Name)
				if !i.State.ReadOnly {
					i.Role = RolePrimary
					writable = append(writable, i.Name)
				}
			}
		}
		what := "replicate in a ring"
		if len(ring) == 2 {
			what = "replicate from each other (dual primary)"
		}
		text := strings.Join(names, ", ") + " " + what
		switch len(writable) {
		case 0:
			text += "; none of them accepts writes"
		case 1:
			text += "; only " + writable[0] + " accepts writes"
		default:
			text += "; " + strings.Join(writable, ", ") + " accept writes"
		}
		t.Warnings = append(t.Warnings, text)
	}
}

// Rings are the groups of servers that replicate around in a circle, each by identity in the order
// of the walk.
func (t Topology) Rings() [][]dbconn.Identity {
	sources := map[dbconn.Identity][]dbconn.Identity{}
	for _, i := range t.Instances {
		for _, l := range i.Links {
			if i.Identity != "" && l.SourceIdentity != "" && l.Configured() {
				sources[i.Identity] = append(sources[i.Identity], l.SourceIdentity)
			}
		}
	}
	above := map[dbconn.Identity]map[dbconn.Identity]bool{}
	for id := range sources {
		above[id] = reach(sources, id)
	}
	var rings [][]dbconn.Identity
	done := map[dbconn.Identity]bool{}
	for _, i := range t.Instances {
		if done[i.Identity] || !above[i.Identity][i.Identity] {
			continue
		}
		var ring []dbconn.Identity
		for _, other := range t.Instances {
			if above[i.Identity][other.Identity] && above[other.Identity][i.Identity] {
				ring = append(ring, other.Identity)
				done[other.Identity] = true
			}
		}
		rings = append(rings, ring)
	}
	return rings
}

// reach is everything above a server, itself only if it is in a ring.
func reach(sources map[dbconn.Identity][]dbconn.Identity, from dbconn.Identity) map[dbconn.Identity]bool {
	seen := map[dbconn.Identity]bool{}
	stack := append([]dbconn.Identity(nil), sources[from]...)
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !seen[id] {
			seen[id] = true
			stack = append(stack, sources[id]...)
		}
	}
	return seen
}

// settleErrant is filled in with the GTID sets.
func settleErrant(*Topology) {}
