package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mysql-recycler/engine/dbconn"
)

// walk is the state of one discovery. Its maps belong to run; claimed alone is shared with the
// visits, so that two addresses of one server are inspected once.
type walk struct {
	access   *dbconn.Access
	o        Options
	queue    []target
	targets  int                           // enqueued so far, for MaxNodes
	flying   map[string]bool               // address keys of the visits under way
	waiting  map[string][]target           // targets that wait for such a visit
	addrs    map[string]dbconn.Identity    // address key: who answered there; empty while a visit is under way
	ids      map[dbconn.Identity]bool      // seen or under way
	nodes    map[dbconn.Identity]*Instance // reached
	order    []dbconn.Identity             // in the order they were reached
	aliases  map[dbconn.Identity][]dbconn.Addr
	expected []target // everything anybody named, to tell at the end what is missing
	failed   []*visit
	warnings []string
	claimed  sync.Map
}

// newWalk prepares a walk.
func newWalk(access *dbconn.Access, o Options) *walk {
	return &walk{
		access: access, o: o,
		addrs:   map[string]dbconn.Identity{},
		flying:  map[string]bool{},
		waiting: map[string][]target{},
		ids:     map[dbconn.Identity]bool{},
		nodes:   map[dbconn.Identity]*Instance{},
		aliases: map[dbconn.Identity][]dbconn.Addr{},
	}
}

// add takes note of a server that somebody named, and enqueues it unless it is known.
func (w *walk) add(t target) {
	w.expected = append(w.expected, t)
	w.consider(t)
}

// consider enqueues a target unless somebody visits it or did. While one of its addresses is being
// visited it waits for the outcome, because that is most likely the server meant; guessing on with
// its other addresses would only cost time.
func (w *walk) consider(t target) {
	if t.identity != "" && w.ids[t.identity] {
		return
	}
	var open []dbconn.Addr
	for _, a := range t.candidates {
		key := a.Key()
		if w.flying[key] {
			w.waiting[key] = append(w.waiting[key], t)
			return
		}
		if _, seen := w.addrs[key]; !seen {
			open = append(open, a)
		}
	}
	if len(open) == 0 || (t.identity == "" && len(open) < len(t.candidates)) {
		return // an address of it was visited; topology looks at what answered there
	}
	if w.targets >= w.o.MaxNodes || t.depth > w.o.MaxDepth {
		why := fmt.Sprintf("beyond the limit of %d servers", w.o.MaxNodes)
		if t.depth > w.o.MaxDepth {
			why = fmt.Sprintf("beyond the depth limit of %d", w.o.MaxDepth)
		}
		w.failed = append(w.failed, &visit{target: t, attempts: []attempt{{open[0], reason(why)}}})
		return
	}
	w.targets++
	t.candidates = open
	w.addrs[open[0].Key()] = ""
	w.flying[open[0].Key()] = true
	if t.identity != "" {
		w.ids[t.identity] = true
	}
	w.queue = append(w.queue, t)
}

// merge takes the outcome of a visit, enqueues the servers it tells of, and looks again at those
// that waited for it.
func (w *walk) merge(v *visit) {
	key := v.candidates[0].Key()
	delete(w.flying, key)
	w.take(v)
	waiting := w.waiting[key]
	delete(w.waiting, key)
	for _, t := range waiting {
		if w.reachedAs(t) == nil {
			w.consider(t)
		}
	}
}

// take files the outcome of a visit.
func (w *walk) take(v *visit) {
	if !v.reached {
		w.failed = append(w.failed, v)
		return
	}
	w.addrs[v.addr.Key()] = v.identity
	w.ids[v.identity] = true
	if v.alias {
		w.aliases[v.identity] = append(w.aliases[v.identity], v.addr)
		return
	}
	i := v.inst
	w.nodes[v.identity] = i
	w.order = append(w.order, v.identity)
	for _, l := range i.Links {
		if l.Source.Host == "" {
			continue
		}
		w.add(target{candidates: []dbconn.Addr{l.Source}, identity: l.SourceIdentity, serverID: l.SourceServerID,
			depth: v.depth + 1, parent: i.Identity, from: "source of " + i.Name})
	}
	for _, d := range i.Replicas {
		w.add(target{candidates: d.candidates(i.Addr), guesses: d.guesses(i.Addr), identity: d.Identity, serverID: d.ServerID,
			depth: v.depth + 1, parent: i.Identity, parentID: i.ServerID, from: "replica of " + i.Name, consumer: d.From == FromProcesslist, below: true})
	}
}

// reachedAs returns the reached server a target means.
func (w *walk) reachedAs(t target) *Instance {
	if t.identity != "" {
		return w.nodes[t.identity]
	}
	for _, a := range t.candidates {
		i := w.nodes[w.addrs[a.Key()]]
		if i != nil && (t.serverID == 0 || t.serverID == i.ServerID) {
			return i
		}
	}
	if t.below && t.serverID != 0 {
		// MariaDB reports the connection's host for a replica without report_host; a server that was
		// reached otherwise, has that server_id and replicates from there is the one meant.
		for _, i := range w.nodes {
			if i.ServerID == t.serverID && w.links(i, t.parent) {
				return i
			}
		}
	}
	return nil
}

// links reports whether a reached server replicates from another one.
func (w *walk) links(i *Instance, source dbconn.Identity) bool {
	for _, l := range i.Links {
		if (l.SourceIdentity != "" && l.SourceIdentity == source) || (l.SourceIdentity == "" && w.addrs[l.Source.Key()] == source) {
			return true
		}
	}
	return false
}

// firstError is the reason the seed was not reached.
func (w *walk) firstError(seed dbconn.Addr) error {
	for _, v := range w.failed {
		for _, a := range v.attempts {
			if a.addr.Same(seed) {
				return a.err
			}
		}
	}
	return errors.New("no server was reached")
}

// topology turns the walk into its result.
func (w *walk) topology(ctx context.Context, seed dbconn.Addr) Topology {
	t := Topology{Cluster: w.access.Cluster, Seed: w.access.NameOf(seed), At: time.Now()}
	for _, id := range w.order {
		i := w.nodes[id]
		w.settleName(i)
		t.Instances = append(t.Instances, *i)
	}
	t.Instances = append(t.Instances, w.unreached()...)
	slices.SortStableFunc(t.Instances, func(a, b Instance) int { return natural(a.Name, b.Name) })
	connect(&t)
	w.leave(&t)
	w.settleErrant(ctx, &t)
	t.Warnings = append(t.Warnings, w.warnings...)
	for _, i := range t.Instances {
		for _, m := range slices.Concat(i.Missing, i.notes) {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s: %s", i.Name, m))
		}
		t.Partial = t.Partial || !i.Reached || len(i.Missing) > 0
	}
	return t
}

// natural orders names as people do: db-2 before db-10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, restA := leading(a)
		y, restB := leading(b)
		if x != y {
			m, errM := strconv.ParseUint(x, 10, 64)
			n, errN := strconv.ParseUint(y, 10, 64)
			if errM == nil && errN == nil && m != n {
				return cmp.Compare(m, n)
			}
			return cmp.Compare(x, y)
		}
		a, b = restA, restB
	}
	return cmp.Compare(a, b)
}

// leading splits off a run of digits, or one other character.
func leading(s string) (head, rest string) {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n = max(n, 1)
	return s[:n], s[n:]
}

// settleName gives a server the first name it has in the configuration, whichever of its addresses
// was reached first; the other addresses are its aliases.
func (w *walk) settleName(i *Instance) {
	all := append([]dbconn.Addr{i.Addr}, w.aliases[i.Identity]...)
	for _, h := range w.access.Hosts {
		if n := slices.IndexFunc(all, h.Addr.Same); n >= 0 {
			i.Name, i.Addr = h.Name, all[n]
			i.Aliases = slices.Delete(all, n, n+1)
			return
		}
	}
	i.Aliases = all[1:]
	slices.SortFunc(i.Aliases, func(a, b dbconn.Addr) int { return natural(a.Key(), b.Key()) })
}

// unreached lists the servers somebody named and nobody reached, each once, with the reason. A
// dump thread that leads to no server is a tool reading the binary log: a warning, not a server.
func (w *walk) unreached() []Instance {
	var out []Instance
	listed := map[string]int{} // by address and identity: where in out, from 1
	for _, t := range w.expected {
		if w.reachedAs(t) != nil {
			continue
		}
		i := Instance{Name: "unknown", Identity: t.identity, ServerID: t.serverID, Role: RoleUnknown, At: time.Now()}
		key := string(t.identity)
		if len(t.candidates) > 0 {
			i.Addr = t.candidates[0]
			i.Name = w.access.NameOf(i.Addr)
			key = i.Addr.Key()
		} else if key == "" {
			key = fmt.Sprintf("server_id %d", t.serverID)
			i.Name = key
		}
		if n := cmp.Or(listed[key], listed[string(t.identity)]); n < 0 { // a tool
			continue
		} else if n > 0 {
			if t.last != nil && (out[n-1].Identity == "" || out[n-1].Identity == t.identity) {
				out[n-1].missed(t.last)
			}
			continue
		}
		i.Unreached = w.why(t)
		if t.consumer {
			w.warnings = append(w.warnings, fmt.Sprintf("%s reads the binary log (%s) and answers as no server; it is left alone", i.Name, t.from))
			listed[key] = -1
			continue
		}
		if t.last != nil {
			i.missed(t.last)
			i.Unreached += ", expected until " + stamp(t.last.LastSeen.Add(forgetAfter))
		}
		out = append(out, i)
		listed[key] = len(out)
		if t.identity != "" {
			listed[string(t.identity)] = len(out)
		}
	}
	return out
}

// why says in words why a target was not reached.
func (w *walk) why(t target) string {
	if len(t.candidates) == 0 {
		return fmt.Sprintf("%s, reports no address (report_host is not set)", t.from)
	}
	for _, a := range t.candidates {
		for _, v := range w.failed {
			for _, tried := range v.attempts {
				if tried.addr.Same(a) {
					return Words(tried.err)
				}
			}
		}
	}
	return Words(errOther)
}

// reason is a cause of our own, in words.
type reason string

// Error implements error.
func (r reason) Error() string { return string(r) }

// Words is an error as a short phrase to stand behind a server's name. Texts of the driver, which hold
// addresses, are not passed on.
func Words(err error) string {
	var notAllowed *dbconn.NotAllowedError
	var connect *dbconn.ConnectError
	var own reason
	switch {
	case errors.As(err, &notAllowed):
		return "not in the allow list"
	case errors.As(err, &connect):
		return connect.Words()
	case errors.As(err, &own):
		return string(own)
	case errors.Is(err, context.DeadlineExceeded):
		return "does not answer in time"
	case dbconn.Lost(err):
		return "broke off the connection"
	case dbconn.Code(err) != 0:
		return fmt.Sprintf("answers with error %d", dbconn.Code(err))
	}
	return "gives answers that cannot be read"
}
