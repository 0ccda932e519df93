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
// position is used where only local writes can move it (no log_replica_updates, the same file). Where
// neither tells, the finding says that nobody knows.
func (v writes) Judge(_ context.Context, s Subject) Finding {
	now := s.Instance
	if !now.Reached {
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows whether it is written to", s.name()), now.Unreached)
	}
	then, ok := s.Topology.ByIdentity(now.Identity)
	if !ok || !then.Reached {
		return s.unknown(v, fmt.Sprintf("there is no earlier look at %s to compare its writes with", s.name()), s.evidence("identity %s", now.Identity))
	}
	own, blind, err := ownWrites(then, now)
	since := fmt.Sprintf("since %s", then.At.Format("15:04:05"))
	switch {
	case err != nil:
		return s.unknown(v, fmt.Sprintf("the transactions of %s cannot be read", s.name()), err.Error())
	case own == "" && blind != "":
		// It says so instead of refusing: such servers are the ordinary ones of those who run without GTID.
		return s.accept(v, fmt.Sprintf("whether %s wrote anything of its own %s cannot be told: %s", s.name(), since, blind), s.evidence("%s", blind))
	case own == "":
		return s.accept(v, fmt.Sprintf("%s wrote nothing of its own %s", s.name(), since), s.evidence("%s", orNone(now.GTIDExecuted)))
	case s.primaryAllowed():
		return s.accept(v, fmt.Sprintf("%s is written to, which the cluster's policy allows", s.name()), s.evidence("%s", own))
	case s.Expect.Replicated && (s.Expect.AllowErrant || !now.State.GTIDMode):
		// Our own statements are among them; what is ours and what is not cannot be told apart.
		return s.accept(v, fmt.Sprintf("%s wrote of its own, as the plan does", s.name()), s.evidence("%s", own))
	}
	return s.promoted(v, fmt.Sprintf("%s is written to: transactions of its own %s", s.name(), since), s.evidence("%s", own))
}

// ownWrites is what a server wrote itself between two looks, in words; empty for nothing. blind says
// why nothing can be known where that is so.
func ownWrites(then, now topology.Instance) (own, blind string, err error) {
	switch {
	case !now.State.LogBin:
		return "", "it writes no binary log", nil
	case now.Version.Flavor == dbconn.MariaDB:
		own, err = newOf(gtid.ParseState, then, now, func(before, after gtid.State) string {
			return after.Of(now.ServerID).Ahead(before).String()
		})
		return own, "", err
	case now.State.GTIDMode:
		own, err = newOf(gtid.ParseSet, then, now, func(before, after gtid.Set) string {
			return after.Of(string(now.Identity)).Subtract(before).String()
		})
		return own, "", err
	case now.State.LogUpdates:
		return "", "without GTIDs its binary log does not tell its own writes from those of its source", nil
	case then.Binlog.File == "" || then.Binlog.File != now.Binlog.File:
		return "", fmt.Sprintf("without GTIDs, and with its binary log gone on from %s to %s", orNone(then.Binlog.File), orNone(now.Binlog.File)), nil
	case now.Binlog.Position > then.Binlog.Position:
		return now.Binlog.File + ":" + strconv.FormatInt(now.Binlog.Position, 10), "", nil
	}
	return "", "", nil
}

// newOf compares the executed transactions of two looks.
func newOf[S any](parse func(string) (S, error), then, now topology.Instance, differ func(before, after S) string) (string, error) {
	before, err := parse(then.GTIDExecuted)
	if err != nil {
		return "", err
	}
	after, err := parse(now.GTIDExecuted)
	if err != nil {
		return "", err
	}
	return differ(before, after), nil
}
