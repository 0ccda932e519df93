package topology

import (
	"fmt"

	"mysql-recycler/engine/dbconn"
)

// connect fills in what only the whole walk knows: who is meant by an address, which rows of a
// source are out of date, the roles in rings, and errant transactions.
func connect(t *Topology) {
	for n := range t.Instances {
		for k := range t.Instances[n].Links {
			t.settleLink(&t.Instances[n], &t.Instances[n].Links[k])
		}
	}
	for n := range t.Instances {
		for k := range t.Instances[n].Replicas {
			t.settleDownstream(t.Instances[n], &t.Instances[n].Replicas[k])
		}
		t.Instances[n].Role = RoleOf(t.Instances[n])
	}
	settleRings(t)
	settleErrant(t)
}

// settleLink names a channel's source by identity; MariaDB reports none.
func (t *Topology) settleLink(of *Instance, l *Link) {
	if l.SourceIdentity != "" || l.Source.Host == "" {
		return
	}
	for _, i := range t.Instances {
		if !i.Reached || !i.listensOn(l.Source) {
			continue
		}
		if l.SourceServerID != 0 && l.SourceServerID != i.ServerID {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s replicates from server_id %d at %s, but server_id %d answers there",
				of.Name, l.SourceServerID, l.Source, i.ServerID))
			t.Partial = true
			return
		}
		l.SourceIdentity = i.Identity
		return
	}
}

// settleDownstream names a replica by identity and marks the row stale if that replica has its
// source elsewhere by now; a source goes on listing a replica for a while after it left.
func (t *Topology) settleDownstream(source Instance, d *Downstream) {
	i, ok := t.meant(*d, source.Addr)
	if !ok {
		return
	}
	d.Identity = i.Identity
	if i.Reached && d.From != FromGroup && !t.replicatesFrom(i, source) {
		d.Stale = true
		t.Warnings = append(t.Warnings, fmt.Sprintf("%s still lists %s as its replica; %s does not replicate from it", source.Name, i.Name, i.Name))
	}
}

// meant is the instance a source's row means.
func (t *Topology) meant(d Downstream, source dbconn.Addr) (Instance, bool) {
	if i, ok := t.ByIdentity(d.Identity); ok {
		return i, true
	}
	if d.Identity != "" {
		return Instance{}, false
	}
	for _, i := range t.Instances {
		for _, a := range d.candidates(source) {
			if i.listensOn(a) && (d.ServerID == 0 || i.ServerID == 0 || d.ServerID == i.ServerID) {
				return i, true
			}
		}
	}
	return Instance{}, false
}
