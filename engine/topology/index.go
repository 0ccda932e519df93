package topology

import "mysql-recycler/engine/dbconn"

// index finds instances and edges of one topology without looking at every pair of servers. It
// holds positions in Instances and is built anew for each use: a Topology is a plain value.
type index struct {
	instances []Instance
	byID      map[dbconn.Identity]int
	byAddr    map[string]int
	up        [][]int // sources of each instance
	down      [][]int // replicas of each instance
}

// newIndex indexes a topology with its edges.
func newIndex(t *Topology) *index {
	x := lookups(t)
	x.connectReached()
	x.connectUnreached()
	return x
}

// lookups indexes identities and addresses. A reached server wins over an unreached one, and an
// address over an alias.
func lookups(t *Topology) *index {
	x := &index{instances: t.Instances, byID: map[dbconn.Identity]int{}, byAddr: map[string]int{},
		up: make([][]int, len(t.Instances)), down: make([][]int, len(t.Instances))}
	put := func(a dbconn.Addr, n int) {
		if _, ok := x.byAddr[a.Key()]; !ok && !a.Zero() {
			x.byAddr[a.Key()] = n
		}
	}
	for _, reached := range []bool{true, false} {
		for n := range t.Instances {
			i := &t.Instances[n]
			if i.Reached != reached {
				continue
			}
			if _, ok := x.byID[i.Identity]; !ok && i.Identity != "" {
				x.byID[i.Identity] = n
			}
			put(i.Addr, n)
			for _, a := range i.Aliases {
				put(a, n)
			}
		}
	}
	return x
}

// source is the position of a channel's source.
func (x *index) source(l Link) (int, bool) {
	if l.SourceIdentity != "" {
		n, ok := x.byID[l.SourceIdentity]
		if ok {
			return n, true
		}
	}
	if l.Source.Zero() {
		return 0, false
	}
	n, ok := x.byAddr[l.Source.Key()]
	if ok && l.SourceIdentity != "" && x.instances[n].Identity != "" {
		return 0, false // another server answers there
	}
	return n, ok
}

// connectReached draws the edges that reached replicas tell of.
func (x *index) connectReached() {
	for n := range x.instances {
		if !x.instances[n].Reached {
			continue
		}
		for _, l := range x.instances[n].Links {
			if s, ok := x.source(l); ok {
				x.edge(s, n)
			}
		}
	}
}

// connectUnreached draws the edges to replicas that were not reached, by the word of their sources,
// or where they were when they answered last.
func (x *index) connectUnreached() {
	for n := range x.instances {
		if s, ok := x.byID[x.instances[n].LastSource]; ok && !x.instances[n].Reached {
			x.edge(s, n)
		}
		for _, d := range x.instances[n].Replicas {
			if c, ok := x.replica(n, d); ok && !x.instances[c].Reached {
				x.edge(n, c)
			}
		}
	}
}

// edge draws one edge, once.
func (x *index) edge(source, replica int) {
	for _, have := range x.up[replica] {
		if have == source {
			return
		}
	}
	x.up[replica] = append(x.up[replica], source)
	x.down[source] = append(x.down[source], replica)
}

// replica is the position of the instance that a source's row means.
func (x *index) replica(source int, d Downstream) (int, bool) {
	if d.Identity != "" {
		n, ok := x.byID[d.Identity]
		return n, ok
	}
	for _, c := range x.down[source] { // whatever address it reports: its own channel points here
		if d.ServerID != 0 && x.instances[c].ServerID == d.ServerID {
			return c, true
		}
	}
	for _, a := range d.candidates(x.instances[source].Addr) {
		n, ok := x.byAddr[a.Key()]
		if ok && (d.ServerID == 0 || x.instances[n].ServerID == 0 || x.instances[n].ServerID == d.ServerID) {
			return n, true
		}
	}
	return 0, false
}
