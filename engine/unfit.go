package engine

import (
	"context"
	"errors"
	"fmt"

	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
)

// unfit says why a table or partition is no longer the one that was approved; empty when it still is.
// What a partition holds may have changed with its bounds; that shows in its size.
func (r *run) unfit(ctx context.Context, h *host, s *Step) (string, error) {
	if s.Plan.Method.Kind == rebuild.Leave {
		return s.Plan.Method.Reason, nil
	}
	if reason := r.outOfBounds(s); reason != "" {
		return reason, nil
	}
	what, choose := "table", rebuild.Choose
	t, err := tablespace.Find(ctx, h.server, h.server.Version, s.Plan.Schema, s.Plan.Table)
	size := t.FileBytes
	if err == nil && s.Plan.Partition != "" {
		what, choose = "partition", rebuild.ChoosePartition
		var part tablespace.State
		part, err = tablespace.StatPartition(ctx, h.server, h.server.Version, s.Plan.Schema, s.Plan.Table, s.Plan.Partition)
		size = part.Bytes
	}
	if errors.Is(err, tablespace.ErrGone) {
		return "the " + what + " is gone since the plan was made", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", s.Plan.Name(), err)
	}
	if limit := float64(s.Plan.Bytes) * (1 + r.job.Plan.Tolerance); r.job.Plan.Tolerance > 0 && float64(size) > limit {
		return fmt.Sprintf("the %s grew from %d to %d MiB, more than the approved %.0f %%", what, s.Plan.Bytes>>20, size>>20, r.job.Plan.Tolerance*100), nil
	}
	policy := r.job.Plan.Policy
	now, was := policy.counted(choose(h.server.Version, t, policy.methods(h.plan.Role))), s.Plan.Method
	if was.Kind != rebuild.Plugin && (now.Kind != was.Kind || now.Algorithm != was.Algorithm || now.Lock != was.Lock || now.StopSQL != was.StopSQL) {
		return "the table was altered since the plan was made and would be rebuilt in another way: " + now.Reason, nil
	}
	return "", nil
}
