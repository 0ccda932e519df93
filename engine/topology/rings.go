package topology

import (
	"slices"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// settleRings finds servers that replicate from each other, directly or around. In a ring every
// writable server is a primary; a read-only one is an intermediate like any other.
func settleRings(t *Topology) {
	for _, ring := range t.Rings() {
		var names, writable []string
		for n := range t.Instances {
			i := &t.Instances[n]
			if !slices.Contains(ring, i.Identity) {
				continue
			}
			names = append(names, i.Name)
			if !i.State.ReadOnly {
				i.Role = RolePrimary
				writable = append(writable, i.Name)
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
// of the topology.
func (t Topology) Rings() [][]dbconn.Identity {
	x := newIndex(&t)
	above := make([]map[int]bool, len(t.Instances))
	for n := range t.Instances {
		if len(x.up[n]) > 0 && len(x.down[n]) > 0 { // nobody else can be in a ring
			above[n] = x.above(n)
		}
	}
	var rings [][]dbconn.Identity
	done := map[int]bool{}
	for n := range t.Instances {
		if done[n] || !above[n][n] {
			continue
		}
		var ring []dbconn.Identity
		for k := range t.Instances {
			if above[n][k] && above[k][n] {
				ring = append(ring, t.Instances[k].Identity)
				done[k] = true
			}
		}
		rings = append(rings, ring)
	}
	return rings
}

// above is everything a server replicates from, directly or not; itself only if it is in a ring.
func (x *index) above(n int) map[int]bool {
	seen := map[int]bool{}
	stack := slices.Clone(x.up[n])
	for len(stack) > 0 {
		k := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !seen[k] {
			seen[k] = true
			stack = append(stack, x.up[k]...)
		}
	}
	return seen
}
