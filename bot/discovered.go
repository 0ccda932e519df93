package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/topology"
)

// foundRows is how many tables a discovery shows.
const foundRows = 15

// discovered tells what a discovery found, and goes on with the run that waited for it.
func (d *draft) discovered(ctx context.Context, s *scene) ([]Post, error) {
	found, err := d.o.Lists.Discovery(ctx, s.r.ID)
	if err != nil {
		return nil, err
	}
	line, err := Parse(s.r.Command)
	waits := err == nil && goesOn(line)
	ps, err := s.post(s.name(), foundMessage(s.l, found, !waits && s.person()))
	if err != nil {
		return nil, err
	}
	if len(found.Topology.Instances) > 1 {
		m, err := mapMessage(s.l, found)
		if err != nil {
			return nil, err
		}
		drawn, err := s.post(s.name()+"/map", m)
		if err != nil {
			return nil, err
		}
		ps = append(ps, drawn...)
	}
	if !waits {
		return ps, nil
	}
	next, err := d.follow(ctx, s, line)
	return append(ps, next...), err
}

// foundMessage is the topology as a tree and the tables with the most to give back.
// offer adds a button that asks for the run it suggests.
func foundMessage(l Locale, d engine.Discovery, offer bool) Message {
	b := &builder{l: l}
	var rows []Reclaimable
	var total int64
	for _, h := range d.Hosts {
		for _, t := range h.Tables {
			if t.Gain() > 0 && worth(t) {
				rows = append(rows, Reclaimable{TableReport: t, Cluster: d.Cluster, Host: h.Name, Seen: d.At})
				total += t.Gain()
			}
		}
	}
	slices.SortStableFunc(rows, func(x, y Reclaimable) int { return cmp.Compare(y.Gain(), x.Gain()) })
	a := args{"target": code(d.Target), "n": plainInt(len(d.Topology.Instances)), "cluster": code(d.Cluster), "gain": bold(bytesOf(total)),
		"tables": plainInt(len(rows))}
	b.summary(kFoundSummary, a)
	b.say(kFoundSummary, a)
	b.code(treeText(d.Topology))
	foundWarnings(b, d)
	if len(rows) == 0 {
		b.say(kFoundNothing, nil)
		return b.m
	}
	b.table(foundTable(l, rows, len(d.Hosts) > 1), foundRows, kMoreTables)
	if slices.ContainsFunc(rows, func(r Reclaimable) bool { return r.Prediction.How == tablespace.HowSampled }) {
		b.context(b.l.say(kHowSampled, nil)...)
	}
	if host := runnable(d, rows); offer && host != "" {
		line := Line{Verb: VerbRun, Target: host}
		b.buttons(Button{Action: ActionRun, Value: line.String(), Label: clip(l.text(kAskRun, args{"host": plain(host)}), 70), Style: "primary"})
	}
	return b.m
}

// mapMessage is the topology as a drawing.
func mapMessage(l Locale, d engine.Discovery) (Message, error) {
	png, err := d.Topology.PNG()
	if err != nil {
		return Message{}, fmt.Errorf("draw the topology of %s: %w", d.Cluster, err)
	}
	title := l.text(kMapTitle, args{"cluster": plain(d.Cluster)})
	return Message{Summary: title, Picture: &Picture{Name: "topology.png", Title: title, Alt: d.Topology.AltText(), PNG: png}}, nil
}

// foundTable lists tables with the prediction and its range.
func foundTable(l Locale, rows []Reclaimable, many bool) Table {
	t := Table{Header: l.cells(kColTable, kColSize, kColAfter, kColGain, kColShare), Right: []bool{1: true, 2: true, 3: true, 4: true}}
	for _, r := range rows {
		name := r.Schema + "." + r.Name
		if many {
			name = r.Host + ": " + name
		}
		t.Rows = append(t.Rows, []string{name, bytesOf(r.FileBytes), l.after(r.Prediction.Bytes, r.Prediction.Low, r.Prediction.High, r.Prediction.How), bytesOf(r.Gain()),
			percent(share(r.Gain(), r.FileBytes))})
	}
	return t
}

// foundWarnings says what makes the picture incomplete, and which hosts are protected and why.
func foundWarnings(b *builder, d engine.Discovery) {
	if d.Topology.Partial {
		b.text(append([]Span{emoji("warning"), plain(" ")}, b.l.say(kFoundPartial, nil)...)...)
	}
	for _, w := range d.Topology.Warnings[:min(5, len(d.Topology.Warnings))] {
		b.context(plain(clip(b.l.words(w), 300)))
	}
	for _, h := range d.Hosts[:min(10, len(d.Hosts))] {
		if h.Error != "" {
			b.context(plain(clip(h.Name+": "+b.l.words(h.Error), 300)))
		}
		if !h.Verdict.Known() { // a stored look allows nothing, but only a cause is worth a line
			continue
		}
		why := b.l.reasons(h.Verdict)
		if len(why) > 0 {
			b.text(append([]Span{emoji("lock"), plain(" ")}, b.l.say(kFoundProtected, args{"host": code(h.Name), "why": plain(clip(strings.Join(why, "; "), 900))})...)...)
		}
	}
}

// treeText draws the topology; a very big one is cut.
func treeText(t topology.Topology) string {
	tree := strings.TrimRight(t.Tree(), "\n")
	ls := strings.Split(tree, "\n")
	const most = 40
	if len(ls) > most {
		ls = append(ls[:most], fmt.Sprintf("… %d more", len(ls)-most))
	}
	for i := range ls {
		ls[i] = clip(ls[i], 110)
	}
	return strings.Join(ls, "\n")
}

// runnable is the host to offer a run on: the one that gives back most and that nothing protects.
func runnable(d engine.Discovery, rows []Reclaimable) string {
	for _, r := range rows {
		for _, h := range d.Hosts {
			if h.Name == r.Host && !h.Verdict.Known() {
				return h.Name
			}
		}
	}
	return ""
}

// follow asks for the run that a discovery was made for. Submitting and moving the cursor are two
// transactions: the request that was submitted before a crash is recognised by its command.
func (d *draft) follow(ctx context.Context, s *scene, line Line) ([]Post, error) {
	line.After = ThreadOf(s.r)
	rs, err := d.o.Lists.Requests(ctx, "mine", s.r.Requester.ID, 50)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(rs, func(r approvals.Request) bool { return r.Kind == approvals.KindRecycle && r.Command == line.String() }) {
		return nil, nil
	}
	ask := d.run
	if line.Verb == VerbRetry {
		ask = d.retry
	}
	err = ask(ctx, asker{user: s.r.Requester, channel: s.r.Channel, l: s.l}, line)
	if err == nil {
		return nil, nil // its card is told with its own event
	}
	var p forPeople
	if ctx.Err() != nil || !errors.As(err, &p) {
		return nil, fmt.Errorf("go on with the run after %s: %w", s.r.ID, err)
	}
	d.o.Log.Info("a run after its discovery was refused", zap.String("request", s.r.ID), zap.Error(err))
	m := d.apology(s.l, err)
	m.Blocks = append([]Block{{Text: append([]Span{mention(answerTo(s.r)), plain(" ")}, s.l.say(kNoPlanAfter, args{"command": code(slash + line.shown())})...)}}, m.Blocks...)
	return s.post(s.name()+"/plan", m)
}
