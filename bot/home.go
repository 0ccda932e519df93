package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// How much of each kind a home page shows: it is drawn again whenever something changes, so it
// stays small however much there is.
const (
	homeWaiting   = 8
	homeRunning   = 6
	homeScheduled = 5
	homeRecent    = 6
)

// Home answers a person's own page: what waits for them, what runs, what comes next, what ended last.
func (b *Bot) Home(ctx context.Context, user approvals.Actor) (Message, error) {
	h := &homePage{Bot: b, user: user, builder: &builder{l: b.personal(ctx, user, "")}, may: map[string]bool{}}
	h.summary(kHomeTitle, nil)
	h.header(kHomeTitle, nil)
	h.buttons(Button{Action: ActionNew, Value: "new", Label: h.l.text(kNewRecycle, nil), Style: "primary"})
	for _, part := range []func(context.Context) error{h.waiting, h.running, h.scheduled, h.recent} {
		if err := part(ctx); err != nil {
			return Message{}, err
		}
	}
	return h.m, nil
}

// homePage draws one person's page.
type homePage struct {
	*Bot
	*builder
	user approvals.Actor
	may  map[string]bool // clusters this person may decide on, as far as it was asked
}

// part begins a list with its title and how many it has.
func (h *homePage) part(title, empty key, n int, a args) {
	h.add(Block{Divider: true})
	spans := asBold(h.l.say(title, nil))
	if n > 0 {
		spans = append(spans, plain(fmt.Sprintf("  %d", n)))
	}
	h.text(spans...)
	if n == 0 {
		h.context(h.l.say(empty, a)...)
	}
}

// more says how many are not shown.
func (h *homePage) more(n, shown int) {
	if n > shown {
		h.context(h.l.count(kMoreRequests, n-shown, nil)...)
	}
}

// approver says whether the person may decide on a cluster; no when that cannot be read now.
func (h *homePage) approver(ctx context.Context, cluster string) bool {
	may, known := h.may[cluster]
	if !known {
		set, err := h.o.Requests.Approvers(ctx, cluster)
		may = err == nil && slices.Contains(set, h.user.ID)
		h.may[cluster] = may
	}
	return may
}

// concerned says whether a request is the person's own: they asked, or wrote the schedule that did.
func (h *homePage) concerned(r approvals.Request) bool {
	return r.Requester.ID == h.user.ID || slices.ContainsFunc(r.Barred, func(a approvals.Actor) bool { return a.ID == h.user.ID })
}

// waiting lists what this person could decide, with the buttons to do it.
func (h *homePage) waiting(ctx context.Context) error {
	rs, err := h.o.Lists.Requests(ctx, "pending", "", 100)
	if err != nil {
		return fmt.Errorf("list what waits: %w", err)
	}
	rs = slices.DeleteFunc(rs, func(r approvals.Request) bool {
		decided := slices.ContainsFunc(r.Reviews, func(v approvals.Review) bool { return v.Reviewer.ID == h.user.ID })
		return decided || h.concerned(r) || !h.approver(ctx, r.Cluster)
	})
	h.part(kHomeWaiting, kHomeNoneWaiting, len(rs), nil)
	for _, r := range rs[:min(homeWaiting, len(rs))] {
		what := h.l.say(kHomeLook, args{"target": bold(r.Target)})
		if work, ok := r.Work(); ok {
			what = h.l.count(kHomeRebuild, work.Tables, args{"target": bold(r.Target), "gain": plain(bytesOf(work.Gain))})
		}
		h.text(join(" · ", []Span{code(r.ID)}, what)...)
		h.context(h.l.say(kHomeAsked, args{"who": plain(answerTo(r).Name), "channel": Span{Channel: r.Channel}, "at": when(r.Created), "until": when(r.Expires)})...)
		h.buttons(h.decide(r)...)
	}
	h.more(len(rs), homeWaiting)
	return nil
}

// decide are the buttons of a request that waits. The card is not before the reader here, so
// approving always asks once more, with what is at stake.
func (h *homePage) decide(r approvals.Request) []Button {
	v := view{r: r}
	return []Button{
		{Action: ActionApprove, Value: valueOf(r), Label: h.l.text(kApprove, nil), Style: "primary", Confirm: v.confirm(h.l)},
		{Action: ActionDeny, Value: valueOf(r), Label: h.l.text(kDeny, nil), Style: "danger"},
	}
}

// running lists what is being done, with its bar, and for whom it concerns the buttons to stop it.
func (h *homePage) running(ctx context.Context) error {
	rs, err := h.o.Lists.Requests(ctx, "running", "", 100)
	if err != nil {
		return fmt.Errorf("list what runs: %w", err)
	}
	rs = h.shownTo(ctx, h.user, rs)
	h.part(kHomeRunning, kHomeNoneRunning, len(rs), nil)
	for _, r := range rs[:min(homeRunning, len(rs))] {
		v, err := h.view(ctx, r)
		if err != nil {
			return err
		}
		h.line(r, v.jobs)
		state := overall(v.jobs)
		if later := state == engine.JobQueued && r.NotBefore.After(v.now); later {
			h.context(h.l.say(kHomeStarts, args{"at": when(r.NotBefore)})...)
		} else if r.Kind == approvals.KindRecycle {
			s := sum(v.jobs)
			f := v.fraction(s)
			h.code(bar(f) + " " + h.l.text(kBarWords, args{"percent": plain(percent(f)), "n": plainInt(s.ended), "m": plainInt(s.tables),
				"given": plain(bytesOf(s.given()))}))
		}
		if h.concerned(r) || h.approver(ctx, r.Cluster) {
			h.buttons(v.runButtons(h.l, state)...)
		}
	}
	h.more(len(rs), homeRunning)
	return nil
}

// line is a request with where it stands.
func (h *homePage) line(r approvals.Request, jobs []engine.Job) {
	a := args{"id": code(r.ID), "what": plain(h.l.text(kindKey(r.Kind), nil)), "target": bold(r.Target), "state": plain(h.l.stateOf(r, jobs)),
		"who": plain(answerTo(r).Name)}
	spans := h.l.say(kHomeLine, a)
	if s := sum(jobs); s.done > 0 && overall(jobs).Final() {
		spans = append(append(spans, plain(" · ")), h.l.say(kHomeGiven, args{"given": bold(bytesOf(s.given()))})...)
	}
	h.text(spans...)
}

// scheduled lists the runs that come next.
func (h *homePage) scheduled(ctx context.Context) error {
	if h.o.Schedules == nil {
		return nil
	}
	all, err := h.o.Schedules.List(ctx)
	if err != nil {
		return fmt.Errorf("list schedules: %w", err)
	}
	may := h.looker(ctx, h.user)
	all = slices.DeleteFunc(all, func(x Scheduled) bool {
		return x.Next.IsZero() || x.State == approvals.SchedulePaused || !may(x.Cluster)
	})
	slices.SortStableFunc(all, func(x, y Scheduled) int { return x.Next.Compare(y.Next) })
	h.part(kHomeScheduled, kHomeNoneScheduled, len(all), args{"example": code(slash + `schedule add db-prod-3 --cron "0 2 * * sun"`)})
	for _, x := range all[:min(homeScheduled, len(all))] {
		h.text(h.l.say(kHomeSlot, args{"id": code(x.ID), "at": when(x.Next), "what": plain(strings.TrimPrefix(x.Command, "run ")),
			"owner": plain(x.Owner.Name)})...)
	}
	h.more(len(all), homeScheduled)
	return nil
}

// recent lists what ended last, whoever asked for it.
func (h *homePage) recent(ctx context.Context) error {
	rs, err := h.o.Lists.Requests(ctx, "", "", 40)
	if err != nil {
		return fmt.Errorf("list what was: %w", err)
	}
	rs = h.shownTo(ctx, h.user, rs)
	type ended struct {
		r    approvals.Request
		jobs []engine.Job
	}
	ids := make([]string, len(rs))
	for i, r := range rs {
		ids[i] = r.ID
	}
	briefs, err := h.o.Lists.Briefs(ctx, ids)
	if err != nil {
		return fmt.Errorf("read the jobs of what was: %w", err)
	}
	var out []ended
	for _, r := range rs {
		if len(out) == homeRecent {
			break
		}
		if r.State == approvals.Pending {
			continue
		}
		jobs := briefs[r.ID]
		if r.State != approvals.Approved || overall(jobs).Final() {
			out = append(out, ended{r, jobs})
		}
	}
	h.part(kHomeRecent, kHomeNoneRecent, len(out), nil)
	for _, x := range out {
		h.line(x.r, x.jobs)
	}
	return nil
}
