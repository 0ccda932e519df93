package topology

import (
	"fmt"
	"slices"
	"time"

	"mysql-recycler/engine/dbconn"
)

// forgetAfter is how long a server that no longer answers and that nobody names is expected: a source
// forgets a replica whose receiver is down. A server that was taken away must not leave its cluster
// half-known, and with it every host refused, for longer than people need to hear of one that is down.
const forgetAfter = 24 * time.Hour

// recall looks for the servers of an earlier walk.
func (w *walk) recall(before *Topology) {
	if before == nil {
		return
	}
	for _, i := range before.Instances {
		if i.Reached {
			i.LastSeen, i.LastSource = i.At, ""
			for _, l := range i.Links {
				i.LastSource = l.SourceIdentity
			}
		}
		if i.Identity == "" || i.LastSeen.IsZero() || time.Since(i.LastSeen) > forgetAfter {
			continue
		}
		w.add(target{candidates: append([]dbconn.Addr{i.Addr}, i.Aliases...), identity: i.Identity, serverID: i.ServerID, last: &i, from: "seen before"})
	}
}

// missed completes the entry of a server that was not reached by what an earlier walk knew of it.
func (i *Instance) missed(last *Instance) {
	i.LastSeen, i.LastSource = last.LastSeen, last.LastSource
	i.Name, i.Identity, i.ServerID = last.Name, last.Identity, last.ServerID
	i.Unreached += "; last seen " + stamp(last.LastSeen)
}

// stamp is a time for people.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// leave takes out the servers that are only known from an earlier walk and have nothing to do with the
// others any more: they were moved elsewhere, or promoted out of the cluster.
func (w *walk) leave(t *Topology) {
	named := map[dbconn.Identity]bool{}
	for _, e := range w.expected {
		if i := w.reachedAs(e); i != nil && e.last == nil {
			named[i.Identity] = true
		}
	}
	x := newIndex(t)
	var gone []dbconn.Identity
	for n, i := range t.Instances {
		if i.Reached && !named[i.Identity] && len(x.up[n]) == 0 && len(x.down[n]) == 0 {
			gone = append(gone, i.Identity)
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s was in the cluster before and replicates with nobody of it now; it is left out", i.Name))
		}
	}
	t.Instances = slices.DeleteFunc(t.Instances, func(i Instance) bool { return slices.Contains(gone, i.Identity) })
}
