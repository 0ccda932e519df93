package guard

import (
	"context"
	"fmt"
	"strconv"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
	"mysql-recycler/engine/topology/gtid"
)

// writes refuses a server that wrote transactions of its own since the walk: whatever its settings
// say, somebody uses it as a primary.
type writes struct{}

// Name implements Validator.
func (writes) Name() string { return "writes" }

// Judge implements Validator. Transactions are told by their numbers: those with the server's own
// UUID (MariaDB: server_id) that it did not have at the walk. Without GTIDs the binary log's
// position is used where only local writes can move it (no log_replica_updates).
func (v writes) Judge(_ context.Context, s Subject) Finding {
	now := s.Instance
	if !now.Reached {
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows whether it is written to", s.name()), now.Unreached)
	}
	then, ok := s.Topology.ByIdentity(now.Identity)
	if !ok || !then.Reached {
		return s.unknown(v, fmt.Sprintf("there is no earlier look at %s to compare its writes with", s.name()), s.evidence("identity %s", now.Identity))
	}
	own, err := ownWrites(then, now)
	since := fmt.Sprintf("since %s", then.At.Format("15:04:05"))
	switch {
	case err != nil:
		return s.unknown(v, fmt.Sprintf("the transactions of %s cannot be read", s.name()), err.Error())
	case own == "":
		return s.accept(v, fmt.Sprintf("%s wrote nothing of its own %s", s.name(), since), s.evidence("%s", orNone(now.GTIDExecuted)))
	case s.primaryAllowed():
		return s.accept(v, fmt.Sprintf("%s is written to, which the cluster's policy allows", s.name()), s.evidence("%s", own))
	case s.Expect.Replicated && s.Expect.AllowErrant:
		// Our own statements are among them; what is ours and what is not cannot be told apart.
		return s.accept(v, fmt.Sprintf("%s wrote of its own, as the plan does", s.name()), s.evidence("%s", own))
	}
	return s.refuse(v, fmt.Sprintf("%s is written to: transactions of its own %s", s.name(), since), s.evidence("%s", own))
}

// ownWrites is what a server wrote itself between two looks, in words; empty for nothing.
func ownWrites(then, now topology.Instance) (string, error) {
	switch {
	case !now.State.LogBin:
		return "", nil
	case now.Version.Flavor == dbconn.MariaDB:
		before, err := gtid.ParseState(then.GTIDExecuted)
		if err != nil {
			return "", err
		}
		after, err := gtid.ParseState(now.GTIDExecuted)
		if err != nil {
			return "", err
		}
		return after.Of(now.ServerID).Ahead(before).String(), nil
	case now.State.GTIDMode:
		before, err := gtid.ParseSet(then.GTIDExecuted)
		if err != nil {
			return "", err
		}
		after, err := gtid.ParseSet(now.GTIDExecuted)
		if err != nil {
			return "", err
		}
		return after.Of(string(now.Identity)).Subtract(before).String(), nil
	case !now.State.LogUpdates && then.Binlog.File != "" && then.Binlog.File == now.Binlog.File && now.Binlog.Position > then.Binlog.Position:
		return now.Binlog.File + ":" + strconv.FormatInt(now.Binlog.Position, 10), nil
	}
	return "", nil
}
