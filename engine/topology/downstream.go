package topology

import (
	"net"
	"slices"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// takeReplicas reads the replicas that registered with this server. MySQL lists an empty host for
// a replica without report_host; the dump threads then tell where it is.
func takeReplicas(d dbconn.Dialect) func(*Instance, []dbconn.Row) {
	return func(i *Instance, rows []dbconn.Row) {
		for _, r := range rows {
			port, _ := r.Int("Port")
			id, _ := r.Int("Server_Id")
			if id == 0 {
				id, _ = r.Int("Server_id") // before 8.0.22, and MariaDB
			}
			// The address stays zero for an empty host but keeps the port, which is the replica's real one.
			i.Replicas = append(i.Replicas, Downstream{
				Addr:     dbconn.Addr{Host: strings.TrimSpace(r.Text("Host")), Port: int(port)},
				Identity: dbconn.Identity(strings.ToLower(r.Text(d.Columns.ReplicaUUID))),
				ServerID: uint32(id),
				From:     FromReplicas,
			})
		}
	}
}

// takeDumps reads the connections of replicas. A row with a UUID says where the replica of that
// UUID comes from; a row without one is a replica of an old version or a tool reading the binary
// log, and is of use only where nothing registered (see mergeDownstream).
func takeDumps(i *Instance, rows []dbconn.Row) {
	seen := map[string]bool{}
	for _, r := range rows {
		if id := r.Text("id"); seen[id] { // 8.0 sets both slave_uuid and replica_uuid
			continue
		} else if id != "" {
			seen[id] = true
		}
		i.Replicas = append(i.Replicas, Downstream{
			Identity: dbconn.Identity(strings.ToLower(r.Text("uuid"))),
			Seen:     dbconn.Addr{Host: hostOf(r.Text("host"))},
			From:     FromProcesslist,
		})
	}
}

// hostOf takes the port of the connection off a process list host.
func hostOf(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

// mergeDownstream joins what registered with what is connected. A connection with the UUID of a
// registered replica gives that row its address. A connection without a UUID (an account that may
// not read performance_schema, an old server, a tool) cannot be told apart from a registered one:
// its host is one more place to look for replicas that report none, and nothing more, unless
// nothing registered at all.
func mergeDownstream(all []Downstream) []Downstream {
	var out, dumps []Downstream
	for _, d := range all {
		if d.From == FromProcesslist {
			dumps = append(dumps, d)
		} else {
			out = append(out, d)
		}
	}
	registered := len(out)
	var near []string
	for _, d := range dumps {
		if known := find(out[:registered], d.Identity); known != nil {
			known.Seen = dbconn.Addr{Host: d.Seen.Host, Port: known.Addr.Port}
			continue
		}
		if d.Identity == "" && registered > 0 {
			if !slices.Contains(near, d.Seen.Host) {
				near = append(near, d.Seen.Host)
			}
			continue
		}
		out = append(out, d)
	}
	for n := range out[:registered] {
		if d := &out[n]; d.Addr.Host == "" && d.Seen.Host == "" {
			d.near = near
		}
	}
	return out
}

// find returns the entry with an identity.
func find(ds []Downstream, id dbconn.Identity) *Downstream {
	for n := range ds {
		if id != "" && ds[n].Identity == id {
			return &ds[n]
		}
	}
	return nil
}

// candidates are the addresses to try for a replica, best first: what it reports, where it
// connects from, and the latter on the port of its source and the default one.
func (d Downstream) candidates(source dbconn.Addr) []dbconn.Addr {
	var out []dbconn.Addr
	add := func(a dbconn.Addr) {
		if a.Host == "" || a.Port == 0 {
			return
		}
		for _, have := range out {
			if have.Same(a) {
				return
			}
		}
		out = append(out, a)
	}
	add(d.Addr)
	add(d.Seen)
	for _, host := range d.near {
		add(dbconn.Addr{Host: host, Port: d.Addr.Port})
	}
	if d.Addr.Port == 0 {
		add(dbconn.Addr{Host: d.Seen.Host, Port: source.Port})
		add(dbconn.Addr{Host: d.Seen.Host, Port: dbconn.DefaultPort})
	}
	return out
}
