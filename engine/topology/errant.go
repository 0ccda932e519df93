package topology

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology/gtid"
)

// settleErrant finds transactions that a replica has and its sources do not. The servers were read
// at different moments, so a transaction on its way looks errant if the source was read first; a
// suspect's sources are therefore asked once more, now certainly after the suspect.
func (w *walk) settleErrant(ctx context.Context, t *Topology) {
	x := newIndex(t)
	var suspects []int
	ask := map[int]bool{}
	for n, i := range t.Instances {
		if i.Reached && errantText(i, x.executedAbove(n, nil)) != "" {
			suspects = append(suspects, n)
			for _, s := range x.up[n] {
				ask[s] = true
			}
		}
	}
	later := make([]string, len(t.Instances)) // what a source has executed, read after the suspect
	var group errgroup.Group
	group.SetLimit(w.o.Parallel)
	for s := range ask {
		group.Go(func() error {
			later[s] = w.executedNow(ctx, t.Instances[s])
			return nil
		})
	}
	_ = group.Wait() // the readings return no errors: one that failed leaves its text empty
	for _, n := range suspects {
		i := &t.Instances[n]
		if silent := slices.IndexFunc(x.up[n], func(s int) bool { return later[s] == "" }); silent >= 0 {
			t.Partial = true
			t.Warnings = append(t.Warnings, fmt.Sprintf("whether %s has errant transactions could not be checked: %s could not be read a second time",
				i.Name, t.Instances[x.up[n][silent]].Name))
			continue
		}
		if i.ErrantGTID = errantText(*i, x.executedAbove(n, later)); i.ErrantGTID != "" {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s has errant transactions that its source does not have: %s", i.Name, i.ErrantGTID))
		}
	}
}

// executedNow asks a server what it has executed by now; empty if it cannot be asked.
func (w *walk) executedNow(ctx context.Context, i Instance) string {
	until := time.Now().Add(w.o.NodeTimeout)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	srv, err := w.open(ctx, i.Addr, until)
	if err != nil {
		return ""
	}
	defer func() { _ = srv.Close() }()
	if srv.Identity != i.Identity {
		return ""
	}
	sql := mysqlGTIDSQL
	if i.Version.Flavor == dbconn.MariaDB {
		sql = mariaGTIDSQL
	}
	var again Instance
	for _, a := range srv.Ask(ctx, []string{sql}) {
		if a.Err == nil {
			takeExecuted(&again, a.Rows)
		}
	}
	return again.GTIDExecuted
}

// executedAbove are the executed sets of an instance's sources, the later reading where there is
// one; nil if they cannot all be compared. Members of a ring write for each other and are not
// compared: what one wrote last is on its way to the other.
func (x *index) executedAbove(n int, later []string) []string {
	if above := x.above(n); above[n] {
		return nil
	}
	var out []string
	for _, s := range x.up[n] {
		if !x.instances[s].Reached {
			return nil
		}
		text := x.instances[s].GTIDExecuted
		if later != nil && later[s] != "" {
			text = later[s]
		}
		out = append(out, text)
	}
	return out
}

// errantText is what an instance executed and none of its sources did; empty for nothing, and for
// servers that do not number transactions or whose texts cannot be read.
func errantText(i Instance, above []string) string {
	if len(above) == 0 || !i.State.GTIDMode || i.GTIDExecuted == "" {
		return ""
	}
	if i.Version.Flavor == dbconn.MariaDB {
		return errantState(i, above)
	}
	own, err := gtid.ParseSet(i.GTIDExecuted)
	if err != nil {
		return ""
	}
	for _, text := range above {
		set, err := gtid.ParseSet(text)
		if err != nil || set.Empty() { // a source without numbers cannot be compared
			return ""
		}
		own = own.Subtract(set)
	}
	return own.String()
}

// errantState is errantText for MariaDB. Only what the replica wrote under its own server_id counts:
// streams of other servers are in its binary log because they were replicated.
func errantState(i Instance, above []string) string {
	own, err := gtid.ParseState(i.GTIDExecuted)
	if err != nil {
		return ""
	}
	own = own.Of(i.ServerID)
	for _, text := range above {
		state, err := gtid.ParseState(text)
		if err != nil {
			return ""
		}
		own = own.Ahead(state)
	}
	return own.String()
}
