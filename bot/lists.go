package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// A list shows the newest requests that its reader may see, of the newest there are.
const (
	listed   = 20
	listedOf = 200
)

// list shows requests, newest first.
func (b *Bot) list(ctx context.Context, who asker, filter string) (Message, error) {
	arg := ""
	if filter == "mine" {
		arg = who.user.ID
	}
	rs, err := b.o.Lists.Requests(ctx, filter, arg, listedOf)
	if err != nil {
		return Message{}, fmt.Errorf("list requests: %w", err)
	}
	rs = b.shownTo(ctx, who.user, rs)
	rs = rs[:min(listed+1, len(rs))]
	title := map[string]key{"": kListAll, "mine": kListMine, "pending": kListPending, "running": kListRunning}[filter]
	return b.table(ctx, who.l, title, nil, rs)
}

// history shows what was done on a host.
func (b *Bot) history(ctx context.Context, who asker, host string) (Message, error) {
	t, err := b.targetFor(ctx, who, approvals.ActLook, host)
	if err != nil {
		return Message{}, err
	}
	name := nameOf(t, host)
	rs, err := b.o.Lists.Requests(ctx, "history", name, listed+1)
	if err != nil {
		return Message{}, fmt.Errorf("list the history of %s: %w", name, err)
	}
	return b.table(ctx, who.l, kListHistory, args{"host": code(name)}, rs)
}

// table is requests with what became of them.
func (b *Bot) table(ctx context.Context, l Locale, title key, a args, rs []approvals.Request) (Message, error) {
	m := &builder{l: l}
	m.summary(title, a)
	m.text(asBold(l.say(title, a))...)
	if len(rs) == 0 {
		m.say(kListEmpty, nil)
		return m.m, nil
	}
	t := Table{Header: l.cells(kColID, kColWhat, kColTarget, kColState, kColGiven, kColBy, kColAsked), Right: []bool{4: true, 6: false}}
	ids := make([]string, len(rs))
	for i, r := range rs {
		ids[i] = r.ID
	}
	briefs, err := b.o.Lists.Briefs(ctx, ids)
	if err != nil {
		return Message{}, fmt.Errorf("read the jobs of a list: %w", err)
	}
	for _, r := range rs {
		jobs, given := briefs[r.ID], ""
		if s := sum(jobs); s.done > 0 {
			given = bytesOf(s.given())
		}
		t.Rows = append(t.Rows, []string{r.ID, l.text(kindKey(r.Kind), nil), r.Target, l.stateOf(r, jobs), given, r.Requester.Name, stamp(r.Created)})
	}
	m.table(t, listed, kMoreRequests)
	return m.m, nil
}

// asBold makes a title of spans.
func asBold(spans []Span) []Span {
	for i := range spans {
		spans[i].Bold = true
	}
	return spans
}

// cells are the titles of columns.
func (l Locale) cells(ks ...key) []string {
	out := make([]string, len(ks))
	for i, k := range ks {
		out[i] = l.text(k, nil)
	}
	return out
}

// status shows one request as its card is now, with its buttons.
func (b *Bot) status(ctx context.Context, who asker, id string) (Message, error) {
	r, err := b.request(ctx, id)
	if err != nil {
		return Message{}, err
	}
	if err := b.mayLook(ctx, who, r); err != nil {
		return Message{}, err
	}
	v, err := b.view(ctx, r)
	if err != nil {
		return Message{}, err
	}
	return v.card(who.l), nil
}

// top shows where the fleet's bytes are, from the discoveries at hand.
func (b *Bot) top(ctx context.Context, who asker, name string) (Message, error) {
	may := b.looker(ctx, who.user)
	clusters := slices.DeleteFunc(b.Clusters(), func(c string) bool { return !may(c) })
	if name != "" {
		t, err := b.targetFor(ctx, who, approvals.ActLook, name)
		if err != nil {
			return Message{}, err
		}
		clusters = []string{t.Cluster}
	}
	rows, err := b.reclaimable(ctx, clusters, name)
	if err != nil {
		return Message{}, err
	}
	m := &builder{l: who.l}
	m.summary(kTop, nil)
	m.text(asBold(who.l.say(kTop, nil))...)
	if len(rows) == 0 {
		m.say(kTopEmpty, nil)
		return m.m, nil
	}
	t := Table{Header: who.l.cells(kColHost, kColTable, kColSize, kColGain, kColShare, kColSeen), Right: []bool{2: true, 3: true, 4: true, 5: true}}
	var total int64
	for _, r := range rows {
		total += r.Gain()
		t.Rows = append(t.Rows, []string{r.Host, r.Schema + "." + r.Name, bytesOf(r.FileBytes), bytesOf(r.Gain()),
			percent(share(r.Gain(), r.FileBytes)), who.l.span(b.o.Tuning.Now().Sub(r.Seen))})
	}
	m.say(kTopTotal, args{"bytes": bold(bytesOf(total)), "n": plainInt(len(rows))})
	m.table(t, 25, kMoreTables)
	return m.m, nil
}

// reclaimable lists tables that would give something back, biggest gain first. Each host counts
// once, from the newest discovery that looked at its tables.
func (b *Bot) reclaimable(ctx context.Context, clusters []string, only string) ([]Reclaimable, error) {
	var out []Reclaimable
	for _, n := range b.o.Targets.Names() {
		t, err := b.o.Targets.Find(n)
		if err != nil || t.Host.Name == "" || !slices.Contains(clusters, t.Cluster) {
			continue
		}
		if only != "" && only != t.Cluster && only != t.Host.Name {
			continue
		}
		d, err := b.o.Lists.NewestDiscovery(ctx, t.Cluster, t.Host.Name)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the newest discovery of %s: %w", t.Host.Name, err)
		}
		done, err := b.o.Lists.Rebuilt(ctx, t.Host.Name, d.At)
		if err != nil {
			return nil, fmt.Errorf("read what was rebuilt on %s: %w", t.Host.Name, err)
		}
		for _, h := range d.Hosts {
			for _, tb := range h.Tables {
				if h.Name == t.Host.Name && tb.Gain() > 0 && worth(tb) && !done[tb.Key()] {
					out = append(out, Reclaimable{TableReport: tb, Cluster: d.Cluster, Host: h.Name, Seen: d.At})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Reclaimable) int { return cmp.Compare(y.Gain(), x.Gain()) })
	return out, nil
}

// worth leaves out tables that cannot be rebuilt in place.
func worth(t engine.TableReport) bool { return t.Method.Kind != "leave" }

// kindKey is the word for what a request asks.
func kindKey(k approvals.Kind) key {
	if k == approvals.KindDiscover {
		return kKindDiscover
	}
	return kKindRecycle
}

// stateOf is where a request stands, in one or two words.
func (l Locale) stateOf(r approvals.Request, jobs []engine.Job) string {
	if r.State != approvals.Approved {
		return l.text(requestStates[r.State], nil)
	}
	var words []string
	for _, j := range jobs {
		w := l.text(jobStates[j.State], nil)
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		return l.text(kStateApproved, nil)
	}
	return strings.Join(words, ", ")
}

var requestStates = map[approvals.State]key{
	approvals.Pending: kStatePending, approvals.Approved: kStateApproved, approvals.Denied: kStateDenied,
	approvals.Expired: kStateExpired, approvals.Withdrawn: kStateWithdrawn, approvals.Superseded: kStateSuperseded,
}

var jobStates = map[engine.JobState]key{
	engine.JobQueued: kStateQueued, engine.JobRunning: kStateRunning, engine.JobPaused: kStatePaused,
	engine.JobSucceeded: kStateDone, engine.JobFailed: kStateFailed, engine.JobCancelled: kStateCancelled,
	engine.JobRefused: kStateRefused,
}
