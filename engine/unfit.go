package engine

import (
	"context"
	"errors"
	"fmt"

	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
)

// ruledOut says why a table is left alone whatever the server shows: it need not wait for its turn.
func (r *run) ruledOut(s *Step) string {
	if s.Plan.Method.Kind == rebuild.Leave {
		return s.Plan.Method.Reason
	}
	return r.outOfBounds(s)
}

// unfit says why a table or partition is no longer the one that was approved; empty when it still is, and
// then with what was seen of it. What a partition holds may have changed with its bounds; that shows in
// its size.
func (r *run) unfit(ctx context.Context, h *host, s *Step) (now tablespace.State, reason string, err error) {
	if reason := r.ruledOut(s); reason != "" {
		return now, reason, nil
	}
	what, choose := "table", rebuild.Choose
	t, err := tablespace.Find(ctx, h.server, h.server.Version, s.Plan.Schema, s.Plan.Table)
	now = t.State()
	if err == nil && s.Plan.Partition != "" {
		what, choose = "partition", rebuild.ChoosePartition
		now, err = tablespace.StatPartition(ctx, h.server, h.server.Version, s.Plan.Schema, s.Plan.Table, s.Plan.Partition)
	}
	if errors.Is(err, tablespace.ErrGone) {
		return now, "the " + what + " is gone since the plan was made", nil
	}
	if err != nil {
		return now, "", fmt.Errorf("look at %s: %w", s.Plan.Name(), err)
	}
	if limit := float64(s.Plan.Bytes) * (1 + r.job.Plan.Tolerance); r.job.Plan.Tolerance > 0 && float64(now.Bytes) > limit {
		return now, fmt.Sprintf("the %s grew from %d to %d MiB, more than the approved %.0f %%", what, s.Plan.Bytes>>20, now.Bytes>>20, r.job.Plan.Tolerance*100), nil
	}
	policy := r.job.Plan.Policy
	as, was := policy.counted(choose(h.server.Version, t, policy.methods(h.plan.Role))), s.Plan.Method
	if was.Kind != rebuild.Plugin && (as.Kind != was.Kind || as.Algorithm != was.Algorithm || as.Lock != was.Lock || as.StopSQL != was.StopSQL) {
		return now, "the table was altered since the plan was made and would be rebuilt in another way: " + as.Reason, nil
	}
	return now, "", nil
}
