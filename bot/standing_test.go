package bot

import (
	"context"
	"slices"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// standingBook keeps standing approvals in memory; the real one is tested with the real store.
type standingBook struct {
	s      approvals.Schedule
	grants []approvals.Grant
	tell   func(engine.Event)
}

// given is what storage does with the standing approval of a review.
func (b *standingBook) given(g *approvals.Given) {
	if g != nil {
		b.grants = append(b.grants, g.Grant)
		b.tell(g.Fact)
	}
}

func (b *standingBook) Grants(context.Context, string) ([]approvals.Grant, error) {
	return slices.Clone(b.grants), nil
}

func (b *standingBook) EndGrant(_ context.Context, id string, _ approvals.Actor, _ string, e engine.Event) error {
	b.grants = slices.DeleteFunc(b.grants, func(g approvals.Grant) bool { return g.ID == id })
	b.tell(e)
	return nil
}

func (b *standingBook) Schedule(context.Context, string) (approvals.Schedule, error) { return b.s, nil }
