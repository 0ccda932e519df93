package guard

import (
	"context"
	"fmt"

	"mysql-recycler/engine/dbconn"
)

// errant refuses a replicated statement that would leave a transaction on a replica which its
// source does not have.
type errant struct{}

// Name implements Validator.
func (errant) Name() string { return "errant" }

// Judge implements Validator. Without the binary log nothing is numbered and nothing can be
// errant. MariaDB numbers every logged transaction, and in strict mode the next event of the source
// stops replication (error 1950), so no policy allows that.
func (v errant) Judge(_ context.Context, s Subject) Finding {
	i := s.Instance
	evidence := s.evidence("gtid=%t, gtid_strict=%t, log_bin=%t", i.State.GTIDMode, i.State.GTIDStrict, i.State.LogBin)
	switch {
	case !s.Expect.Replicated:
		return s.accept(v, fmt.Sprintf("nothing is written to the binary log of %s", s.name()), evidence)
	case !i.State.LogBin:
		return s.refuse(v, fmt.Sprintf("%s writes no binary log, so nothing would replicate from it", s.name()), evidence)
	case s.primaryAllowed():
		return s.accept(v, fmt.Sprintf("%s is the primary, its transactions are not errant", s.name()), evidence)
	case i.Version.Flavor == dbconn.MariaDB && i.State.GTIDStrict:
		return s.refuse(v, fmt.Sprintf("a replicated rebuild on %s would stop its replication (gtid_strict_mode=1)", s.name()), evidence)
	case i.State.GTIDMode && !s.Expect.AllowErrant:
		return s.refuse(v, fmt.Sprintf("a replicated rebuild on %s would create an errant GTID", s.name()), evidence)
	}
	return s.accept(v, fmt.Sprintf("a replicated rebuild on %s is allowed by the cluster's policy", s.name()), evidence)
}
