package demo

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// This file holds what stands in the channel against what the servers said, one named check each.

// differences is a check that passes when nothing differs.
func differences(what string, found []string) check {
	return check{what, len(found) == 0, strings.Join(found, "; ")}
}

// treeChecks holds a drawn topology against the servers.
func treeChecks(tree []branch, servers []truth) []check {
	said := map[string]branch{}
	for _, b := range tree {
		said[b.name] = b
	}
	compare := func(what string, says func(branch) string, is func(truth) string) check {
		var found []string
		for _, t := range servers {
			if s := says(said[t.name]); s != is(t) {
				found = append(found, fmt.Sprintf("%s: %q, the server %q", t.name, s, is(t)))
			}
		}
		return differences(what, found)
	}
	var drawn []string
	for _, b := range tree {
		drawn = append(drawn, b.name)
	}
	slices.Sort(drawn)
	var late []string
	for _, t := range servers {
		if s := said[t.name].mark("lag "); !near(s, t.lag, 2) {
			late = append(late, fmt.Sprintf("%s: %q, the server %q", t.name, s, t.lag))
		}
	}
	return []check{
		{"the tree has every server once", slices.Equal(drawn, names), strings.Join(drawn, " ")},
		compare("the tree hangs every server below its source", func(b branch) string { return b.parent }, func(t truth) string { return t.source }),
		compare("the tree gives every server's role", func(b branch) string { return b.role }, func(t truth) string { return t.role(servers) }),
		compare("the tree gives every server's version", func(b branch) string { return b.version }, func(t truth) string { return t.version }),
		compare("the tree gives every server's read_only", func(b branch) string { return b.mark("read_only=") }, func(t truth) string { return t.readOnly }),
		compare("the tree tells where super_read_only is on", func(b branch) string { return b.mark("super_read_only=") },
			func(t truth) string { return strings.TrimPrefix(t.superReadOnly, "0") }),
		differences("the tree gives every replica's lag", late),
	}
}

// near compares "1 s" with a server's seconds; both may be nothing.
func near(said, is string, within float64) bool {
	if said == "" || is == "" {
		return said == is
	}
	a, err1 := strconv.ParseFloat(strings.TrimSuffix(said, " s"), 64)
	b, err2 := strconv.ParseFloat(is, 64)
	return err1 == nil && err2 == nil && math.Abs(a-b) <= within
}

// Columns of the predictions of a discovery and of a plan.
const (
	onDisk = iota
	afterwards
	gain
	share // of a discovery; a plan has the method there
)

// How a card says how long something should take, and took.
var (
	estimate = regexp.MustCompile(`^about \d+ (s|min|h)\b`)
	took     = regexp.MustCompile(`^\d+ (ms|s|min|h)\b`)
)

// round is what may be lost between a size and its three digits, in MiB.
const round = 0.6

// predictionChecks holds a discovery's list against the size of each table's file on its server.
func predictionChecks(text string, rows []row, files map[string]int64) []check {
	var wrong, sums, order []string
	listed := named(rows)
	slices.Sort(listed)
	var all []string
	total := 0.0
	for name := range files {
		all = append(all, name)
	}
	slices.Sort(all)
	for i, r := range rows {
		if is := threeDigits(files[r.name]); len(r.cells) <= share || r.cells[onDisk] != is {
			wrong = append(wrong, fmt.Sprintf("%s: %v, the server %s", r.name, r.cells, is))
			continue
		}
		part, err := strconv.ParseFloat(strings.TrimSuffix(r.cells[share], " %"), 64)
		off := math.Abs(r.mib(onDisk) - r.mib(afterwards) - r.mib(gain))
		if err != nil || off > 2*round || math.Abs(100*r.mib(gain)/r.mib(onDisk)-part) > 2 {
			sums = append(sums, fmt.Sprintf("%s: %v", r.name, r.cells))
		}
		if i > 0 && r.mib(gain) > rows[i-1].mib(gain) {
			order = append(order, rows[i-1].name+" before "+r.name)
		}
		total += r.mib(gain)
	}
	head := fmt.Sprintf("%d tables would give back %s.", len(rows), threeDigits(int64(math.Round(total))<<20))
	return []check{
		{"every table is predicted", len(rows) > 0 && slices.Equal(listed, all), strings.Join(listed, " ")},
		differences("the prediction starts from the servers' file sizes", wrong),
		differences("each prediction adds up", sums),
		differences("the tables that give back most come first", order),
		{"the sum of the prediction is told", strings.Contains(text, head), head},
	}
}

// planChecks holds a card against what was asked, what the discovery predicted and what its button carries.
func planChecks(card, value string, rows, predicted []row, target truth, servers []truth) []check {
	var wrong []string
	bytes, back := 0.0, 0.0
	for _, r := range rows {
		i := slices.IndexFunc(predicted, func(p row) bool { return p.name == r.name })
		if !strings.HasPrefix(r.name, "shop.") || i < 0 || len(r.cells) <= gain || !slices.Equal(r.cells[:share], predicted[i].cells[:share]) {
			wrong = append(wrong, fmt.Sprintf("%s: %v", r.name, r.cells))
		}
		bytes, back = bytes+r.mib(onDisk), back+r.mib(gain)
	}
	shown := digest(card)
	_, carried, _ := strings.Cut(value, "|")
	gives, of, _ := strings.Cut(field(card, "Gives back"), " of ")
	of, _, _ = strings.Cut(of, " (")
	total := row{cells: []string{gives, of}}
	slack := round * float64(len(rows)+1)
	return []check{
		{"the card shows the host, its role and version", field(card, "Host") == target.name && field(card, "Version") == target.version &&
			strings.HasPrefix(field(card, "Role"), target.role(servers)), card},
		{"the card shows the mode, which keeps the binary log out", strings.HasPrefix(field(card, "Mode"), "binlog-off"), field(card, "Mode")},
		{"the card shows the tables of the schema asked for, as predicted", len(wrong) == 0 && len(rows) >= 3 &&
			strings.HasPrefix(field(card, "Tables"), fmt.Sprintf("%d, ", len(rows))), field(card, "Tables") + ": " + strings.Join(wrong, "; ")},
		{"the card shows the predicted bytes", math.Abs(total.mib(0)-back) <= slack && math.Abs(total.mib(1)-bytes) <= slack,
			fmt.Sprintf("%q; its rows give %.1f of %.1f MiB", field(card, "Gives back"), back, bytes)},
		{"the card shows how long it should take", estimate.MatchString(field(card, "Time")), field(card, "Time")},
		{"the card shows the digest that its button approves", shown != "" && strings.HasPrefix(carried, shown), shown + "; the button: " + carried},
	}
}

// resultChecks holds the thread's last table against the files before and after, and against the plan.
func resultChecks(rows []row, sum row, plan []row, before, after map[string]int64) []check {
	var wrong, untimed, off []string
	was, is := int64(0), int64(0)
	for _, r := range rows {
		b, a := before[r.name], after[r.name]
		was, is = was+b, is+a
		i := slices.IndexFunc(plan, func(p row) bool { return p.name == r.name })
		if i < 0 || math.Abs(plan[i].mib(afterwards)-mib(a)) > max(2, 0.15*mib(b)) {
			off = append(off, fmt.Sprintf("%s is %s", r.name, threeDigits(a)))
		}
		want := []string{threeDigits(b), threeDigits(a), threeDigits(b - a)}
		if len(r.cells) < 5 || !slices.Equal(r.cells[:3], want) {
			wrong = append(wrong, fmt.Sprintf("%s: %v, the server %v", r.name, r.cells, want))
			continue
		}
		if !took.MatchString(r.cells[4]) {
			untimed = append(untimed, r.name+": "+r.cells[4])
		}
	}
	if len(sum.cells) < 5 || !took.MatchString(sum.cells[4]) {
		untimed = append(untimed, "the sum")
	}
	want := []string{threeDigits(was), threeDigits(is), threeDigits(was - is)}
	return []check{
		{"the thread ends with every table of the plan", slices.Equal(named(rows), named(plan)), strings.Join(named(rows), " ")},
		differences("its bytes before and after are the servers' file sizes", wrong),
		{"its sum is the servers'", len(sum.cells) >= 3 && slices.Equal(sum.cells[:3], want), fmt.Sprintf("%v, the server %v", sum.cells, want)},
		differences("it tells how long each table took", untimed),
		differences("each table became as small as was predicted", off),
	}
}

// statementChecks holds the target's own log of our statements against the plan.
func statementChecks(sent, plan []string) []check {
	times := map[string]int{}
	for _, name := range sent {
		times[name]++
	}
	var out []check
	for _, name := range plan {
		out = append(out, check{name + " was rebuilt exactly once, says the server's log", times[name] == 1, fmt.Sprintf("%d statements", times[name])})
	}
	return append(out, check{"the log has the plan's tables in the plan's order and no other", slices.Equal(sent, plan), strings.Join(sent, " ")})
}

// threadChecks holds a run's replies against its plan and the table at which the bot was killed. The last
// table is not a milestone.
func threadChecks(thread, plan []string, killedAt int) []check {
	begun := slices.IndexFunc(thread, func(t string) bool {
		return strings.HasPrefix(t, fmt.Sprintf("Started on %s: %d tables, ", names[target], len(plan)))
	})
	ended := slices.IndexFunc(thread, func(t string) bool { return strings.Contains(t, " is done: ") })
	var missing []string
	for _, name := range plan {
		told := slices.IndexFunc(thread, func(t string) bool { return strings.Contains(t, name) && strings.Contains(t, "given back") })
		if told <= begun || told >= ended {
			missing = append(missing, name)
		}
	}
	at := slices.IndexFunc(thread, func(t string) bool { return resumedAt.MatchString(t) })
	where := "the thread does not say where it went on"
	if at >= 0 {
		where = thread[at]
	}
	want := fmt.Sprintf("resumed at table %d/%d on %s.", killedAt, len(plan), names[target])
	return []check{
		{"the thread says what was started, before anything else", begun == 0, strings.Join(thread[:min(1, len(thread))], "")},
		differences("the thread has a milestone for each table", missing),
		{"the thread ends with the summary", ended >= 0 && ended == len(thread)-1, fmt.Sprintf("reply %d of %d", ended+1, len(thread))},
		{"after the crash the same thread goes on at the table where it was", strings.HasPrefix(where, "Bot restarted ") && strings.Contains(where, want) && at > begun && at < ended, where},
	}
}

// refusalChecks holds the reasons for leaving the primary alone against the servers.
func refusalChecks(text string, servers []truth) []check {
	primary, replicas := servers[0], 0
	for _, t := range servers {
		if t.source == primary.name {
			replicas++
		}
	}
	var missing []string
	for _, reason := range []string{
		primary.name + " accepts writes (read_only=" + primary.readOnly + ")",
		primary.name + " does not replicate from any server",
		fmt.Sprintf("%s has no replication source and %d replicas", primary.name, replicas),
		primary.name + " is the primary of " + clusterName,
	} {
		if !strings.Contains(text, "• "+reason) {
			missing = append(missing, reason)
		}
	}
	return []check{
		{"the primary is refused", strings.Contains(text, primary.name+" is protected and will not be touched"), text},
		differences("the refusal gives the validators' reasons, which are the servers'", missing),
	}
}
