package bot

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/engine"
	"mysql-recycler/engine/tablespace"
)

// A plan says its reasons once for all tables that share them, and names so many of those.
const (
	whyNames  = 4
	whyGroups = 8
)

// sharing is tables that share a sentence.
type sharing struct {
	why    string
	tables []string
}

// grouped groups tables by a sentence, in the order the sentences come up. A table that several
// hosts have counts once.
func grouped(all []sharing, why, table string) []sharing {
	if why == "" {
		return all
	}
	i := slices.IndexFunc(all, func(x sharing) bool { return x.why == why })
	if i < 0 {
		return append(all, sharing{why, []string{table}})
	}
	if !slices.Contains(all[i].tables, table) {
		all[i].tables = append(all[i].tables, table)
	}
	return all
}

// names lists tables, the first few by name.
func (l Locale) names(tables []string) Span {
	var out []string
	for i, t := range tables {
		if i == whyNames && len(tables) > whyNames+1 {
			return plain(strings.Join(out, ", ") + l.text(kListComma, nil) + flat(l.count(kMoreTables, len(tables)-i, nil)))
		}
		out = append(out, clip(t, 80))
	}
	return plain(strings.Join(out, ", "))
}

// planReasons says why the tables are rebuilt as they are, what makes a prediction uncertain, and
// which tables are left alone and why.
func planReasons(b *builder, p engine.Plan) {
	var methods, notes, alone []sharing
	sampled := false
	for _, h := range p.Hosts {
		for _, s := range h.Steps {
			sampled = sampled || s.How == tablespace.HowSampled
			methods = grouped(methods, s.Method.Reason, s.Name())
			notes = grouped(notes, s.Note, s.Name())
		}
		for _, t := range h.Alone {
			alone = grouped(alone, t.Reason, t.Schema+"."+t.Table)
		}
	}
	if sampled {
		b.context(b.l.say(kHowSampled, nil)...)
	}
	say := func(k key, all []sharing) {
		for i, x := range all {
			if i == whyGroups {
				b.context(plain("…"))
				return
			}
			b.context(b.l.say(k, args{"why": plain(clip(b.l.words(x.why), 600)), "tables": b.l.names(x.tables)})...)
		}
	}
	if len(methods) == 1 {
		b.context(b.l.say(kWhyAll, args{"why": plain(clip(b.l.words(methods[0].why), 600))})...)
	} else {
		say(kWhyMethod, methods)
	}
	say(kWhyNote, notes)
	say(kTablesAlone, alone)
}

// planStops says for how long replication of a host stands still: while a table is copied or its
// writes wait, and while the applier is stopped for the sake of the rows.
func planStops(b *builder, p engine.Plan) {
	type stop struct {
		host   string
		time   time.Duration
		tables []string
	}
	var stops []stop
	for _, h := range p.Hosts {
		x := stop{host: h.Name}
		for _, s := range h.Steps {
			if s.Method.Blocks() || s.Method.StopSQL {
				x.time += s.Estimate
				x.tables = append(x.tables, s.Name())
			}
		}
		if len(x.tables) > 0 {
			stops = append(stops, x)
		}
	}
	slices.SortStableFunc(stops, func(x, y stop) int { return cmp.Compare(y.time, x.time) })
	for i, x := range stops {
		if i == whyGroups {
			b.context(plain("…"))
			return
		}
		b.text(append([]Span{emoji("warning"), plain(" ")}, b.l.say(kReplicationStops, args{"host": code(x.host), "time": bold(b.l.about(x.time)),
			"tables": b.l.names(x.tables)})...)...)
	}
}

// hows are the ways a prediction is found, in a word.
var hows = map[string]key{tablespace.HowCount: kHowCount, tablespace.HowSampled: kHowSampled,
	tablespace.HowStatistics: kHowStatistics, tablespace.HowUsedPages: kHowPages}

// after is a predicted size with its range, in its unit, where it has one, and the way it was found
// unless that is the ordinary one (sampled), which is said once for all.
func (l Locale) after(predicted, low, high int64, how string) string {
	k, ok := hows[how]
	if !ok {
		return bytesOf(predicted) + " (" + l.text(kHowUnknown, nil) + ")"
	}
	_, by := unitOf(predicted)
	var more []string
	if from, to := digits(float64(low)/by), digits(float64(high)/by); from != to {
		more = append(more, from+"–"+to)
	}
	if how != tablespace.HowSampled {
		more = append(more, l.text(k, nil))
	}
	if len(more) == 0 {
		return bytesOf(predicted)
	}
	return bytesOf(predicted) + " (" + strings.Join(more, l.text(kListComma, nil)) + ")"
}

// digits keeps three digits or all before the point.
func digits(f float64) string {
	decimals := 2
	switch {
	case f >= 99.95:
		decimals = 0
	case f >= 9.995 || f == 0:
		decimals = 1
	}
	return strconv.FormatFloat(f, 'f', decimals, 64)
}
