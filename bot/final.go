package bot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
)

// smallBatch is how many small tables share one reply.
const smallBatch = 25

// processed tells a rebuilt table: a big or slow one in a line of its own, small ones together in
// one reply that grows. Which tables share a reply follows from the stored steps alone.
func (d *draft) processed(s *scene) ([]Post, error) {
	st, ok := s.step()
	if !ok {
		return nil, nil
	}
	if d.big(st) {
		return s.post(fmt.Sprintf("t%d%s", st.Seq, s.suffix()), s.tableDone(st))
	}
	for _, group := range d.groups(s.job) {
		if slices.ContainsFunc(group, func(x engine.Step) bool { return x.Seq == st.Seq }) {
			ps, err := s.post(fmt.Sprintf("small%d%s", group[0].Seq, s.suffix()), s.tablesDone(group))
			ps[0].Routine = len(group) > 1 && !s.job.State.Final()
			return ps, err
		}
	}
	return nil, nil
}

// suffix tells the jobs of one request apart: ".2" for the second.
func (s *scene) suffix() string { return strings.TrimPrefix(s.job.ID, s.r.ID) }

// big says whether a table has a line of its own. One that the server finished while nobody
// watched has one too: somebody will ask how it came to be done.
func (d *draft) big(st engine.Step) bool {
	return st.Before >= d.o.Tuning.BigTable || st.Took >= d.o.Tuning.SlowTable || st.Outcome == rebuild.Adopted
}

// elapsed is how long a table took. Who adopts a result measures only the looking, so there the
// time since the statement was first sent is told.
func elapsed(st engine.Step) time.Duration {
	if st.Outcome == rebuild.Adopted && !st.Started.IsZero() && st.Ended.After(st.Started) {
		return st.Ended.Sub(st.Started)
	}
	return st.Took
}

// groups are the small tables in the order they ended, parted by the big ones.
func (d *draft) groups(j engine.Job) [][]engine.Step {
	var done []engine.Step
	for _, st := range j.Steps {
		if st.State == engine.StepDone {
			done = append(done, st)
		}
	}
	slices.SortStableFunc(done, func(x, y engine.Step) int {
		return cmp.Or(x.Ended.Compare(y.Ended), cmp.Compare(x.Seq, y.Seq))
	})
	var out [][]engine.Step
	open := false
	for _, st := range done {
		if d.big(st) {
			open = false
			continue
		}
		if !open || len(out[len(out)-1]) == smallBatch {
			out = append(out, nil)
			open = true
		}
		out[len(out)-1] = append(out[len(out)-1], st)
	}
	return out
}

// tableDone is the line of one table.
func (s *scene) tableDone(st engine.Step) Message {
	k := kTableDone
	if st.Outcome == rebuild.Adopted {
		k = kTableAdopted
	}
	b := &builder{l: s.l}
	a := args{"table": code(st.Plan.Name()), "before": plain(bytesOf(st.Before)), "after": plain(bytesOf(st.After)),
		"given": bold(bytesOf(st.Before - st.After)), "time": plain(s.l.span(elapsed(st))), "n": plainInt(st.Seq), "m": plainInt(len(s.job.Steps))}
	b.summary(k, a)
	b.say(k, a)
	if st.Reason != "" {
		b.context(plain(clip(s.l.words(st.Reason), 600)))
	}
	if st.Rows != nil {
		b.context(s.l.say(kRowsCounted, args{"n": plainInt(int(st.Rows.After))})...)
	}
	return b.m
}

// tablesDone is the line of several small tables.
func (s *scene) tablesDone(group []engine.Step) Message {
	if len(group) == 1 {
		return s.tableDone(group[0])
	}
	var t totals
	var names []Span
	for i, st := range group {
		t.add(st)
		if i > 0 {
			names = append(names, plain(", "))
		}
		if i == 10 {
			names = append(names, s.l.count(kMoreTables, len(group)-i, nil)...)
			break
		}
		names = append(names, code(clip(st.Plan.Name(), 80)))
	}
	for _, st := range group[min(10, len(group)):] {
		if len(group) > 10 && st.Seq != group[10].Seq {
			t.add(st)
		}
	}
	b := &builder{l: s.l}
	a := args{"before": plain(bytesOf(t.before)), "after": plain(bytesOf(t.after)), "given": bold(bytesOf(t.given())),
		"time": plain(s.l.span(t.took)), "n": plainInt(len(group))}
	b.summary(kTablesDone, a)
	b.say(kTablesDone, a)
	b.context(names...)
	return b.m
}

// final is the end of a job with the table of what was measured. With the last job of a request its
// requester and who approved are told; nobody else is, and nobody once a host.
func (d *draft) final(s *scene) ([]Post, error) {
	if s.r.Kind == approvals.KindDiscover {
		return s.lookEnded()
	}
	t := sum([]engine.Job{s.job})
	a := args{"host": code(s.job.Host), "id": code(s.r.ID), "given": bold(bytesOf(t.given())), "predicted": plain(bytesOf(t.predicted)),
		"before": plain(bytesOf(t.before)), "after": plain(bytesOf(t.after)), "n": plainInt(t.done), "m": plainInt(t.tables),
		"time": plain(s.l.span(s.job.Ended.Sub(s.job.Started))), "why": plain(clip(s.l.words(s.job.Reason), 900))}
	if s.job.Started.IsZero() {
		a["time"] = plain(s.l.span(0))
	}
	k := map[engine.EventKind]key{engine.EventJobCompleted: kFinalDone, engine.EventJobFailed: kFinalFailed,
		engine.EventJobCancelled: kFinalCancelled, engine.EventJobRefused: kFinalRefused}[s.e.Kind]
	b := &builder{l: s.l}
	b.summary(k, a)
	b.text(append(d.told(s), s.l.say(k, a)...)...)
	if s.e.Kind == engine.EventJobRefused {
		why := s.l.reasonsOf(s.e.Data)
		if len(why) == 0 && s.job.Reason != "" {
			why = []string{clip(s.l.words(s.job.Reason), 900)}
		}
		for _, x := range why {
			b.text(plain("• " + x))
		}
	}
	s.measured(b, t)
	ps, err := s.post(s.name(), b.m)
	if err != nil {
		return nil, err
	}
	drawn, err := s.charted()
	return append(ps, drawn...), err
}

// told mentions the requester and everybody who approved, once: with the job that ended last. Where
// people do not want to be told their names are plain.
func (d *draft) told(s *scene) []Span {
	for _, j := range s.jobs {
		if !j.State.Final() || cmp.Or(j.Ended.Compare(s.job.Ended), cmp.Compare(j.ID, s.job.ID)) > 0 {
			return nil
		}
	}
	name := mention
	if d.o.Tuning.Quiet {
		name = func(a approvals.Actor) Span { return plain(a.Name) }
	}
	out := []Span{name(answerTo(s.r)), plain(" ")}
	for _, v := range s.r.Reviews {
		if v.Decision == approvals.Approve && v.Reviewer.ID != "policy" {
			out = append(out, name(v.Reviewer), plain(" "))
		}
	}
	return out
}

// measured is the final table. Before and after are the server's own tablespace sizes.
func (s *scene) measured(b *builder, sums totals) {
	if sums.done == 0 {
		return
	}
	t := Table{Header: s.l.cells(kColTable, kColBefore, kColAfter, kColGiven, kColPredicted, kColTime),
		Right: []bool{1: true, 2: true, 3: true, 4: true, 5: true}}
	var rest int
	for _, st := range s.job.Steps {
		if st.State != engine.StepDone {
			continue
		}
		if len(t.Rows) == maxRows-1 {
			rest++
			continue
		}
		t.Rows = append(t.Rows, []string{clip(st.Plan.Name(), 60), bytesOf(st.Before), bytesOf(st.After), bytesOf(st.Before - st.After),
			bytesOf(st.Plan.Bytes - st.Plan.Predicted), s.l.span(elapsed(st))})
	}
	if rest > 0 {
		t.Rows[len(t.Rows)-1] = []string{flat(s.l.count(kMoreTables, rest+1, nil)), "", "", "", "", ""}
	}
	t.Rows = append(t.Rows, []string{s.l.text(kSum, nil), bytesOf(sums.before), bytesOf(sums.after), bytesOf(sums.given()),
		bytesOf(sums.predicted), s.l.span(sums.took.Round(time.Millisecond))})
	b.table(t, maxRows, kMoreTables)
	b.context(s.l.say(kMeasured, nil)...)
}

// lookEnded tells a discovery that brought nothing; one that did has told so itself.
func (s *scene) lookEnded() ([]Post, error) {
	if s.e.Kind == engine.EventJobCompleted {
		return nil, nil
	}
	b := &builder{l: s.l}
	a := args{"target": code(s.r.Target), "id": code(s.r.ID), "why": plain(clip(s.l.words(s.job.Reason), 900))}
	k := kLookFailed
	if s.e.Kind == engine.EventJobCancelled {
		k = kLookCancelled
	}
	b.summary(k, a)
	b.text(append([]Span{mention(answerTo(s.r)), plain(" ")}, s.l.say(k, a)...)...)
	for _, why := range s.l.reasonsOf(s.e.Data) {
		b.text(plain("• " + why))
	}
	return s.post(s.name(), b.m)
}
