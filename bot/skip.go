package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// longWait is how long a table waits before its card offers to skip it.
const longWait = 2 * time.Minute

// skip leaves a table of live work alone, on every host of the request where it has not ended.
func (b *Bot) skip(ctx context.Context, who asker, line Line) (Message, error) {
	r, err := b.request(ctx, line.Request)
	if err != nil {
		return Message{}, err
	}
	jobs, err := b.live(ctx, r)
	if err != nil {
		return Message{}, err
	}
	if err := b.mayStop(ctx, who, r); err != nil {
		return Message{}, err
	}
	var hosts []string
	var name string
	var late error // it has ended on a host; that matters only when it has on all
	for _, j := range jobs {
		steps, called := stepsOf(jobs, j, line.Table)
		if len(steps) == 0 {
			continue
		}
		var ended *engine.Problem
		if _, err := b.skipAll(ctx, j, steps, who.user); errors.As(err, &ended) {
			late = err
			continue
		} else if err != nil {
			return Message{}, err
		}
		hosts, name = append(hosts, j.Host), called
	}
	if len(hosts) == 0 && late != nil {
		return Message{}, late
	}
	if len(hosts) == 0 {
		return Message{}, noTable(r.ID, line.Table, jobs)
	}
	return notice(who.l, kYouSkippedTable, args{"table": code(name), "host": plain(strings.Join(hosts, ", "))}), nil
}

// skipAll leaves steps of a job alone. That some have ended matters only when all have.
func (b *Bot) skipAll(ctx context.Context, j engine.Job, steps []engine.Step, by approvals.Actor) (engine.Job, error) {
	var late error
	some := false
	for _, st := range steps {
		var ended *engine.Problem
		now, err := b.o.Wanter.Skip(ctx, j.ID, st.Seq, by)
		switch {
		case err == nil:
			j, some = now, true
		case errors.As(err, &ended):
			late = err
		default:
			return now, err
		}
	}
	if some {
		return j, nil
	}
	return j, late
}

// SkipTable leaves a table of one live job alone. As in the chat only the requester and the cluster's
// approvers may.
func (b *Bot) SkipTable(ctx context.Context, by approvals.Actor, j engine.Job, table string) (engine.Job, error) {
	r, err := b.o.Facts.Request(ctx, j.RequestID)
	if err != nil {
		return j, fmt.Errorf("read the request of %s: %w", j.ID, err)
	}
	if err := b.mayStop(ctx, asker{user: by}, r); err != nil {
		return j, err
	}
	steps, _ := stepsOf([]engine.Job{j}, j, table)
	if len(steps) == 0 {
		return j, noTable(j.ID, table, []engine.Job{j})
	}
	defer b.Wake()
	return b.skipAll(ctx, j, steps, by)
}

// stepsOf finds what a job rebuilds of a table by its name, with or without its schema; without it only
// when all jobs mean one table by it. The name of a table means all of its partitions, that of one
// (schema.table (partition)) it alone. called is what was meant, in full.
func stepsOf(all []engine.Job, job engine.Job, name string) (steps []engine.Step, called string) {
	full := map[string]bool{}
	for _, j := range all {
		for _, st := range j.Steps {
			if st.Plan.Table == name {
				full[st.Plan.TableName()] = true
			}
		}
	}
	for _, st := range job.Steps {
		switch p := st.Plan; {
		case p.TableName() == name || p.Table == name && len(full) == 1:
			steps, called = append(steps, st), p.TableName()
		case p.Name() == name:
			return []engine.Step{st}, name
		}
	}
	return steps, called
}

// noTable says that live work has no such table, with the nearest that it has.
func noTable(id, name string, jobs []engine.Job) error {
	var names []string
	for _, j := range jobs {
		for _, st := range j.Steps {
			names = append(names, st.Plan.TableName())
		}
	}
	p := &engine.Problem{Code: "no_table", Text: fmt.Sprintf("%s has no table %s, or more than one schema has it.", id, clip(name, 100)),
		Next: "Write schema.table; status " + id + " lists them."}
	if near := nearest(name, names); near != "" {
		p.Next = "Did you mean " + near + "?"
	}
	return p
}

// skipLine is the command that skips a table of a request, with all of its partitions.
func skipLine(r approvals.Request, st engine.Step) Line {
	return Line{Verb: VerbSkip, Request: r.ID, Table: st.Plan.TableName()}
}

// skipClick does what the button at a table that waits long says.
func (b *Bot) skipClick(ctx context.Context, who asker, value string) (Message, error) {
	line, err := Parse(value)
	if err != nil || line.Verb != VerbSkip {
		return Message{}, errForged
	}
	return b.skip(ctx, who, line)
}

// skipButton offers to leave the table alone that has held a job up for long.
func (v view) skipButton(l Locale) []Button {
	for _, j := range v.jobs {
		w, ok := v.waits[j.ID]
		if !ok || j.State != engine.JobRunning || j.Wanted != engine.WantRun || v.now.Sub(w.since) < longWait {
			continue
		}
		for _, st := range j.Steps {
			if st.Seq != w.step || st.State != engine.StepPending || st.Skip != "" {
				continue
			}
			name := plain(st.Plan.TableName())
			return []Button{{Action: ActionSkipTable, Value: skipLine(v.r, st).String(), Label: clip(l.text(kSkipTable, args{"table": name}), 70),
				Confirm: &Confirm{Title: l.text(kSkipTableTitle, nil), Text: clip(l.text(kSkipTableText, args{"table": name}), 290),
					Yes: l.text(kSkipTableYes, nil), No: l.text(kBack, nil)}}}
		}
	}
	return nil
}

// skipping names the tables that are about to be left alone, and who wants it.
func skipping(b *builder, j engine.Job) {
	for _, st := range j.Steps {
		if st.Skip != "" && (st.State == engine.StepPending || st.State == engine.StepRunning) {
			b.say(kSkipping, args{"table": code(st.Plan.Name()), "host": code(j.Host), "who": plain(st.Skip)})
		}
	}
}
