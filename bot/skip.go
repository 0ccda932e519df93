package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		st, ok := tableOf(jobs, j, line.Table)
		if !ok {
			continue
		}
		var ended *engine.Problem
		if _, err := b.o.Wanter.Skip(ctx, j.ID, st.Seq, who.user); errors.As(err, &ended) {
			late = err
			continue
		} else if err != nil {
			return Message{}, err
		}
		hosts, name = append(hosts, j.Host), nameOfStep(st.Plan)
	}
	if len(hosts) == 0 && late != nil {
		return Message{}, late
	}
	if len(hosts) == 0 {
		return Message{}, noTable(r.ID, line.Table, jobs)
	}
	return notice(who.l, kYouSkippedTable, args{"table": code(name), "host": plain(strings.Join(hosts, ", "))}), nil
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
	st, ok := tableOf([]engine.Job{j}, j, table)
	if !ok {
		return j, noTable(j.ID, table, []engine.Job{j})
	}
	defer b.Wake()
	return b.o.Wanter.Skip(ctx, j.ID, st.Seq, by)
}

// tableOf finds a table of job by its name, with or without its schema; without it only when all
// jobs mean one table by it.
func tableOf(all []engine.Job, job engine.Job, name string) (engine.Step, bool) {
	full := map[string]bool{}
	for _, j := range all {
		for _, st := range j.Steps {
			if st.Plan.Table == name {
				full[nameOfStep(st.Plan)] = true
			}
		}
	}
	i := slices.IndexFunc(job.Steps, func(st engine.Step) bool {
		return nameOfStep(st.Plan) == name || st.Plan.Table == name && len(full) == 1
	})
	if i < 0 {
		return engine.Step{}, false
	}
	return job.Steps[i], true
}

// noTable says that live work has no such table, with the nearest that it has.
func noTable(id, name string, jobs []engine.Job) error {
	var names []string
	for _, j := range jobs {
		for _, st := range j.Steps {
			names = append(names, nameOfStep(st.Plan))
		}
	}
	p := &engine.Problem{Code: "no_table", Text: fmt.Sprintf("%s has no table %s, or more than one schema has it.", id, clip(name, 100)),
		Next: "Write schema.table; status " + id + " lists them."}
	if near := nearest(name, names); near != "" {
		p.Next = "Did you mean " + near + "?"
	}
	return p
}

// skipLine is the command that skips a table of a request.
func skipLine(r approvals.Request, st engine.Step) Line {
	return Line{Verb: VerbSkip, Request: r.ID, Table: nameOfStep(st.Plan)}
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
			name := plain(nameOfStep(st.Plan))
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
			b.say(kSkipping, args{"table": code(nameOfStep(st.Plan)), "host": code(j.Host), "who": plain(st.Skip)})
		}
	}
}
