package topology

import (
	"fmt"
	"slices"
)

// connect fills in what only the whole walk knows: who is meant by an address, which rows of a
// source are out of date, and the roles in rings.
func connect(t *Topology) {
	x := lookups(t)
	for n := range t.Instances {
		for k := range t.Instances[n].Links {
			t.settleLink(x, &t.Instances[n], &t.Instances[n].Links[k])
		}
	}
	x.connectReached()
	for n := range t.Instances {
		for k := range t.Instances[n].Replicas {
			t.settleDownstream(x, n, &t.Instances[n].Replicas[k])
		}
	}
	for n := range t.Instances {
		t.Instances[n].Role = RoleOf(t.Instances[n])
	}
	settleRings(t)
}

// settleLink names a channel's source by identity; MariaDB reports none.
func (t *Topology) settleLink(x *index, of *Instance, l *Link) {
	if l.SourceIdentity != "" {
		return
	}
	n, ok := x.source(*l)
	if !ok || !t.Instances[n].Reached {
		return
	}
	i := t.Instances[n]
	if l.SourceServerID != 0 && i.ServerID != 0 && l.SourceServerID != i.ServerID {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%s replicates from server_id %d at %s, but server_id %d answers there",
			of.Name, l.SourceServerID, l.Source, i.ServerID))
		t.Partial = true
		return
	}
	l.SourceIdentity = i.Identity
}

// settleDownstream names a replica by identity and marks the row stale if that replica has its
// source elsewhere by now; a source goes on listing a replica for a while after it left.
func (t *Topology) settleDownstream(x *index, source int, d *Downstream) {
	n, ok := x.replica(source, *d)
	if !ok {
		return
	}
	i, of := t.Instances[n], t.Instances[source]
	d.Identity = i.Identity
	if d.ServerID != 0 && i.ServerID != 0 && d.ServerID != i.ServerID {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%s lists a replica with server_id %d and the server_uuid of %s (a copied data directory?)", of.Name, d.ServerID, i.Name))
		t.Partial = true
		return
	}
	if i.Reached && d.From != FromGroup && !slices.Contains(x.up[n], source) {
		d.Stale = true
		t.Warnings = append(t.Warnings, fmt.Sprintf("%s still lists %s as its replica; %s does not replicate from it", of.Name, i.Name, i.Name))
	}
}
