package topology

import (
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// Topology is what one walk over a cluster found. Partial says that some node was not reached
// or is ambiguous; the guard treats such nodes as unknown.
type Topology struct {
	Cluster   string     `json:"cluster"`
	Seed      string     `json:"seed"`
	Instances []Instance `json:"instances"`
	Partial   bool       `json:"partial"`
	Warnings  []string   `json:"warnings,omitempty"`
	At        time.Time  `json:"at"`
}

// Options bounds a walk. Zero values mean the defaults named here.
type Options struct {
	MaxNodes    int           // 1000
	MaxDepth    int           // 10
	NodeTimeout time.Duration // 3 s
	Timeout     time.Duration // 30 s
	Parallel    int           // 64 servers at once, one connection each
	Heartbeat   Heartbeat     // zero: none
	Before      *Topology     // an earlier walk: servers of it that nobody names any more are looked for; nil: none
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.MaxNodes, 1000)
	set(&o.MaxDepth, 10)
	set(&o.Parallel, 64)
	if o.NodeTimeout <= 0 {
		o.NodeTimeout = 3 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	return o
}

// Find returns an instance by its name, host or host:port, or by an alias of it. A host alone
// must fit one instance only.
func (t Topology) Find(name string) (Instance, bool) {
	for _, i := range t.Instances {
		if strings.EqualFold(i.Name, name) {
			return i, true
		}
	}
	addr, err := dbconn.ParseAddr(name)
	if err != nil {
		return Instance{}, false
	}
	var byHost []Instance
	for _, i := range t.Instances {
		if i.listensOn(addr) {
			return i, true
		}
		if strings.EqualFold(i.Addr.Host, name) {
			byHost = append(byHost, i)
		}
	}
	if len(byHost) == 1 {
		return byHost[0], true
	}
	return Instance{}, false
}

// listensOn reports whether an address led to the instance.
func (i Instance) listensOn(a dbconn.Addr) bool {
	if i.Addr.Same(a) {
		return true
	}
	for _, alias := range i.Aliases {
		if alias.Same(a) {
			return true
		}
	}
	return false
}

// ByIdentity returns the instance with an identity.
func (t Topology) ByIdentity(id dbconn.Identity) (Instance, bool) {
	if id == "" {
		return Instance{}, false
	}
	for _, i := range t.Instances {
		if i.Identity == id {
			return i, true
		}
	}
	return Instance{}, false
}

// Downstream returns the servers that replicate from one, in the order of the topology: those that
// were reached by their own word, the others by the word of their source.
func (t Topology) Downstream(id dbconn.Identity) []Instance {
	x := newIndex(&t)
	n, ok := x.byID[id]
	if !ok || id == "" {
		return nil
	}
	var out []Instance
	for _, c := range x.down[n] {
		out = append(out, t.Instances[c])
	}
	return out
}
