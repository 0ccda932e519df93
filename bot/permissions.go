package bot

import (
	"context"
	"fmt"
	"slices"

	"mysql-recycler/approvals"
)

// looker answers on which clusters a person may look, each looked up once. Of a cluster whose groups
// cannot be read now, nothing is shown.
func (b *Bot) looker(ctx context.Context, by approvals.Actor) func(cluster string) bool {
	known := map[string]bool{}
	return func(cluster string) bool {
		may, asked := known[cluster]
		if !asked {
			may = b.o.Requests.MayUse(ctx, cluster, approvals.ActLook, by) == nil
			known[cluster] = may
		}
		return may
	}
}

// shownTo leaves of requests those that a person may see: their own, and of clusters they may look at.
func (b *Bot) shownTo(ctx context.Context, by approvals.Actor, rs []approvals.Request) []approvals.Request {
	may := b.looker(ctx, by)
	return slices.DeleteFunc(rs, func(r approvals.Request) bool { return r.Requester.ID != by.ID && !may(r.Cluster) })
}

// mayLook refuses who may not see a request.
func (b *Bot) mayLook(ctx context.Context, who asker, r approvals.Request) error {
	if r.Requester.ID == who.user.ID {
		return nil
	}
	return b.o.Requests.MayUse(ctx, r.Cluster, approvals.ActLook, who.user)
}

// mayChange refuses who may not change a schedule. One that is not there is left to who keeps them.
func (b *Bot) mayChange(ctx context.Context, who asker, id string) error {
	all, err := b.o.Schedules.List(ctx)
	if err != nil {
		return fmt.Errorf("look up %s: %w", id, err)
	}
	for _, x := range all {
		if x.ID == id {
			return b.o.Requests.MayUse(ctx, x.Cluster, approvals.ActSchedule, who.user)
		}
	}
	return nil
}
