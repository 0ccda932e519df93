package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
)

// Discover walks the cluster that seed belongs to, up and down from it and from every configured
// host at once. The error is for a walk that reached nothing: then it is the seed's
// *dbconn.NotAllowedError or *dbconn.ConnectError. Everything less is in the Topology.
func Discover(ctx context.Context, access *dbconn.Access, seed dbconn.Addr, o Options) (Topology, error) {
	o = o.withDefaults()
	if !access.Allowed(seed) {
		return Topology{}, &dbconn.NotAllowedError{Addr: seed, Cluster: access.Cluster}
	}
	walkCtx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	w := newWalk(access, o)
	w.add(target{candidates: []dbconn.Addr{seed}, from: "asked for"})
	for _, h := range access.Hosts {
		w.add(target{candidates: []dbconn.Addr{h.Addr}, from: "configured"})
	}
	w.recall(o.Before)
	if err := w.run(walkCtx); err != nil {
		return Topology{}, fmt.Errorf("discover from %s: %w", access.NameOf(seed), err)
	}
	if ctx.Err() != nil {
		return Topology{}, fmt.Errorf("discover from %s: %w", access.NameOf(seed), context.Cause(ctx))
	}
	t := w.topology(walkCtx, seed)
	if len(w.order) == 0 {
		return t, fmt.Errorf("discover from %s: %w", access.NameOf(seed), w.firstError(seed))
	}
	return t, nil
}

// target is a server to visit: where it may be, and who it must be to count.
type target struct {
	candidates []dbconn.Addr
	identity   dbconn.Identity // empty: not told
	serverID   uint32          // 0: not told
	depth      int
	guesses    []dbconn.Addr   // where it may be if it is at none of the candidates
	parent     dbconn.Identity // who named it
	parentID   uint32
	from       string    // why it is visited: "replica of db-prod-1"
	below      bool      // the replica of whoever named it, not its source
	consumer   bool      // a dump thread that may be a tool and no server
	last       *Instance // as an earlier walk knew it; nil: nobody but this walk names it
}

// attempt is one address that did not lead to the target.
type attempt struct {
	addr dbconn.Addr
	err  error
}

// visit is what came of a target. Thousands are under way at once, each with a stack of its own, so
// what is big is passed by its address there.
type visit struct {
	target
	inst     *Instance // reached, and no alias
	reached  bool
	alias    bool // reached, but another visit has the server already
	identity dbconn.Identity
	addr     dbconn.Addr
	attempts []attempt
}

// errOther is the reason of an address at which another server answered than was expected.
const errOther = reason("another server answers there")

// errClone is the reason of a server that shares its server_uuid with another one: a copied data
// directory. Neither can be told from the other by anybody, so the second is not taken in.
const errClone = reason("it has the same server_uuid as another server (a copied data directory)")

// fingerprint tells two servers with one identity apart.
func fingerprint(f dbconn.Facts) string {
	return f["hostname"] + "\x00" + f["port"] + "\x00" + f["datadir"] + "\x00" + f["server_id"]
}

// run visits targets until none is left; it is the only writer of the walk's maps. A visit never
// fails the walk.
func (w *walk) run(ctx context.Context) error {
	results := make(chan *visit, w.o.Parallel)
	var group errgroup.Group
	active := 0
	for {
		for len(w.queue) > 0 && active < w.o.Parallel {
			v := &visit{target: w.queue[0]}
			w.queue = w.queue[1:]
			active++
			group.Go(func() error {
				w.visit(ctx, v)
				results <- v
				return nil
			})
		}
		if active == 0 {
			return group.Wait()
		}
		w.merge(<-results)
		active--
	}
}

// visit tries the candidates of a target until one of them is the server meant, then the guesses. What
// thousands of visits hold while they wait is mostly their stacks, so the way from here to the wire is
// kept in small functions.
func (w *walk) visit(ctx context.Context, v *visit) {
	for _, addr := range v.places() {
		if v.silent(addr.Host) {
			continue
		}
		err := w.visitAt(ctx, addr, v)
		if err == nil {
			return
		}
		v.attempts = append(v.attempts, attempt{addr, err})
	}
}

// places are where a target may be, most likely first.
//
//go:noinline
func (t *target) places() []dbconn.Addr { return distinct(slices.Concat(t.candidates, t.guesses)...) }

// silent reports whether a host did not answer at another port: to ask it at more would only cost time.
//
//go:noinline
func (v *visit) silent(host string) bool {
	return slices.ContainsFunc(v.attempts, func(a attempt) bool {
		var connect *dbconn.ConnectError
		return a.addr.Host == host && errors.As(a.err, &connect) && (connect.Class == dbconn.ClassTimeout || connect.Class == dbconn.ClassDNS)
	})
}

// visitAt visits one address within the node timeout. Where the address is a guess a server_id alone,
// which other clusters have too, does not make the server the one meant: it must replicate from whoever
// named it.
func (w *walk) visitAt(ctx context.Context, addr dbconn.Addr, v *visit) error {
	until := time.Now().Add(w.o.NodeTimeout)
	srv, err := w.open(ctx, addr, until)
	if err != nil {
		return err
	}
	return w.inspect(ctx, srv, v, until)
}

// inspect asks a server that was reached, if it is the one meant and nobody else did.
//
//go:noinline
func (w *walk) inspect(ctx context.Context, srv *dbconn.Visit, v *visit, until time.Time) error {
	defer func() { _ = srv.Close() }() // a read-only visit; nothing is lost with it
	if (v.target.identity != "" && v.target.identity != srv.Identity) ||
		(v.target.identity == "" && v.serverID != 0 && srv.ServerID != 0 && v.serverID != srv.ServerID) {
		return errOther
	}
	v.addr, v.identity = srv.Addr, srv.Identity
	mark := fingerprint(srv.Facts)
	if first, taken := w.claimed.LoadOrStore(srv.Identity, mark); taken {
		if first != mark {
			return errClone
		}
		v.reached, v.alias = true, true
		return nil
	}
	inst, err := look(ctx, srv, w.o, until)
	guess := !slices.ContainsFunc(v.candidates, srv.Addr.Same)
	if err == nil && guess && v.target.identity == "" && !slices.ContainsFunc(inst.Links, func(l Link) bool { return l.SourceServerID == v.parentID }) {
		err = errOther
	}
	if err != nil {
		w.claimed.Delete(srv.Identity)
		return err
	}
	v.inst, v.reached = inst, true
	return nil
}

// look asks a visited server everything, until the node's time is over.
func look(ctx context.Context, v *dbconn.Visit, o Options, until time.Time) (*Instance, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	i := &Instance{Name: v.Name, Addr: v.Addr, Role: RoleUnknown, At: time.Now()}
	if err := i.know(v.Facts); err != nil {
		return i, err
	}
	asks := questions(v.Facts, i.Version, o)
	err := i.learn(asks, v.Ask(ctx, asks.statements()))
	if len(i.lacks) > 0 && err == nil {
		i.remedy(v.Ask(ctx, []string{accountSQL}))
	}
	return i, err
}

// Backoff between attempts to open one address: short, because the node timeout bounds them all.
const (
	openAttempts = 3
	firstBackoff = 50 * time.Millisecond
)

// open opens an address, again after trouble that may pass, as long as the node's time allows. Each
// of a thousand visits has one deadline at a time, not one within the other: they are much of what
// a waiting visit holds.
func (w *walk) open(ctx context.Context, addr dbconn.Addr, until time.Time) (*dbconn.Visit, error) {
	for n := 1; ; n++ {
		srv, err := w.access.Visit(ctx, addr, until)
		if err == nil || !again(ctx, n, err, until) {
			return srv, err
		}
	}
}

// again waits before the next attempt after the nth, and says whether there is one. It stands apart so
// that its variables are not on the stack of a visit that waits for its server.
//
//go:noinline
func again(ctx context.Context, n int, err error, until time.Time) bool {
	backoff := firstBackoff << (2 * (n - 1))
	var connect *dbconn.ConnectError
	if n == openAttempts || !errors.As(err, &connect) || !connect.Class.Temporary() || time.Now().Add(backoff).After(until) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(backoff):
		return true
	}
}
