package topology

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// takeReplicas reads the replicas that registered with this server. MySQL lists an empty host for
// a replica without report_host; the dump threads then tell where it is.
func takeReplicas(d dbconn.Dialect) func(*Instance, []dbconn.Row) {
	return func(i *Instance, rows []dbconn.Row) {
		i.listed = true
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

// takeDumps reads the connections that read the binary log. A row with a UUID says where the replica
// of that UUID comes from; a row without one is a replica that tells none, or a tool (see
// mergeDownstream).
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

// takeProcesses takes those who read the binary log out of a process list; Host is address:port.
func takeProcesses(i *Instance, rows []dbconn.Row) {
	for _, r := range rows {
		if strings.HasPrefix(r.Text("Command"), "Binlog Dump") {
			i.Replicas = append(i.Replicas, Downstream{Seen: dbconn.Addr{Host: hostOf(r.Text("Host"))}, From: FromProcesslist})
		}
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
// registered replica gives that row its address. Connections without a UUID belong to registered
// replicas that tell none (old versions, MariaDB), or to tools, which do not register: as many as
// there are such replicas are theirs, and their hosts are places to look for one that reports no
// address; the rest reads the binary log and is no replica, which is noted. Where the list itself was
// refused anything may be a replica.
func (i *Instance) mergeDownstream() (out []Downstream) {
	var dumps, anonymous []Downstream
	for _, d := range i.Replicas {
		if d.From == FromProcesslist {
			dumps = append(dumps, d)
		} else {
			out = append(out, d)
		}
	}
	registered := len(out)
	silent := map[int]bool{} // registered, and no connection told that it is theirs
	for n := range out {
		silent[n] = out[n].From == FromReplicas
	}
	for _, d := range dumps {
		n := slices.IndexFunc(out[:registered], func(o Downstream) bool { return d.Identity != "" && o.Identity == d.Identity })
		switch {
		case n >= 0:
			out[n].Seen = dbconn.Addr{Host: d.Seen.Host, Port: out[n].Addr.Port}
			silent[n] = false
		case d.Identity == "" && i.listed:
			anonymous = append(anonymous, d)
		default:
			out = append(out, d)
		}
	}
	near := hostsOf(anonymous)
	guessed := false
	for n := range out[:registered] {
		d := &out[n]
		if d.Addr.Host == "" && d.Seen.Host == "" {
			d.near = near
		}
		if !silent[n] || len(anonymous) == 0 {
			continue
		}
		theirs := slices.IndexFunc(anonymous, func(o Downstream) bool { return o.Seen.Host == d.Addr.Host })
		guessed = guessed || theirs < 0
		theirs = max(0, theirs)
		anonymous = slices.Delete(anonymous, theirs, theirs+1)
	}
	if len(anonymous) > 0 {
		if !guessed {
			near = hostsOf(anonymous)
		}
		i.notes = append(i.notes, fmt.Sprintf("%d connection(s) read the binary log and are not registered as a replica (from %s); tools, which are left alone",
			len(anonymous), strings.Join(near, " or ")))
	}
	return out
}

// hostsOf are the hosts that connections come from, each once.
func hostsOf(ds []Downstream) []string {
	var out []string
	for _, d := range ds {
		out = append(out, d.Seen.Host)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// candidates are the addresses to try for a replica, best first: what it reports, and where it
// connects from.
func (d Downstream) candidates(source dbconn.Addr) []dbconn.Addr {
	out := distinct(d.Addr, d.Seen)
	for _, host := range d.near {
		out = distinct(append(out, dbconn.Addr{Host: host, Port: d.Addr.Port})...)
	}
	if d.Addr.Port == 0 {
		out = distinct(append(out, d.guesses(source)...)...)
	}
	return out
}

// guesses are the ports where a replica may really listen when what it reports is wrong: that of its
// source, and the default one.
func (d Downstream) guesses(source dbconn.Addr) []dbconn.Addr {
	var out []dbconn.Addr
	for _, host := range []string{d.Addr.Host, d.Seen.Host} {
		out = append(out, dbconn.Addr{Host: host, Port: source.Port}, dbconn.Addr{Host: host, Port: dbconn.DefaultPort})
	}
	return distinct(out...)
}

// distinct leaves out addresses that are not whole, and those that were there before.
func distinct(all ...dbconn.Addr) []dbconn.Addr {
	var out []dbconn.Addr
	for _, a := range all {
		if a.Host != "" && a.Port != 0 && !slices.ContainsFunc(out, a.Same) {
			out = append(out, a)
		}
	}
	return out
}
