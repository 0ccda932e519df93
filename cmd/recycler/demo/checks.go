package demo

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"mysql-recycler/bot/sandbox"
)

// check is one thing that was looked at.
type check struct {
	what string
	good bool
	seen string
}

func (s *story) check(what string, good bool, seen string) {
	s.checks = append(s.checks, check{what, good, seen})
}

// verdict prints the checks and answers an error when one failed.
func (s *story) verdict() error {
	s.say("\n── Checked against the servers and the chat ────────────")
	failed := 0
	for _, c := range s.checks {
		mark := "ok    "
		if !c.good {
			mark = "FAILED"
			failed++
		}
		s.say("%s  %s", mark, c.what)
		if !c.good && c.seen != "" {
			s.say("        saw: %s", strings.ReplaceAll(c.seen, "\n", "\n             "))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(s.checks))
	}
	s.say("%d checks passed", len(s.checks))
	return nil
}

// untouched: from before the bot's start until somebody approved, no server has seen its account.
func (s *story) untouched() error {
	seen := regexp.MustCompile(`\b` + account + `@`)
	for i, n := range s.cluster.Nodes {
		lines, err := statements(n, s.before[i], seen)
		if err != nil {
			return err
		}
		s.check("nobody connected to "+names[i]+" before the approval", len(lines) == 0, strings.Join(lines, "; "))
	}
	return nil
}

var (
	ourStatement = regexp.MustCompile("\\b(?:ALTER|OPTIMIZE) /\\* recycler job=\\S+ step=\\d+ \\*/ (?:LOCAL )?TABLE `(\\w+)`\\.`(\\w+)`")
	typedDDL     = regexp.MustCompile(`\t(?:ALTER|OPTIMIZE)\b`)
	anyDDL       = regexp.MustCompile(`recycler job=|OPTIMIZE|\bALTER\b`)
)

// checkRecycled holds the job's end, on its card and in the thread's last table, against every server's own
// record.
func (s *story) checkRecycled(ctx context.Context, done, table sandbox.Message) error {
	after, err := s.readAll(ctx)
	if err != nil {
		return err
	}
	was, is := s.before[target].total("shop"), after[target].total("shop")
	s.say("information_schema of %s: schema shop was %.1f MiB, is %.1f MiB: %.1f MiB given back.",
		names[target], mib(was), mib(is), mib(was-is))
	s.check("the server's tablespaces became smaller", is < was*3/4, fmt.Sprintf("%d → %d bytes", was, is))
	s.check("the card's sum is the server's", strings.Contains(done.Plain(), threeDigits(was-is)+" given back"),
		fmt.Sprintf("server: %s; card: %s", threeDigits(was-is), done.Plain()))
	s.check("other schemas were left alone", after[target].total("crm") == s.before[target].total("crm"), "")
	rows, sum := readRows(text(table))
	s.checks = append(s.checks, resultChecks(rows, sum, s.plan, s.before[target].sizes, after[target].sizes)...)
	sent, err := s.sent()
	if err != nil {
		return err
	}
	s.checks = append(s.checks, statementChecks(sent, named(s.plan))...)
	for i := range names {
		s.check(names[i]+" has no transaction of its own from us", after[i].gtids == s.before[i].gtids, s.before[i].gtids+" → "+after[i].gtids)
		s.check(names[i]+" is "+s.before[i].readOnly+" as before", after[i].readOnly == s.before[i].readOnly, after[i].readOnly)
		what, pattern, most := names[i]+" has seen no ALTER and no OPTIMIZE", anyDDL, 0
		if i == target {
			what, pattern, most = names[i]+" has seen no other ALTER and no OPTIMIZE", typedDDL, len(sent)
		}
		lines, err := statements(s.cluster.Nodes[i], s.before[i], pattern)
		if err != nil {
			return err
		}
		s.check(what, len(lines) == most, strings.Join(lines, "; "))
	}
	return nil
}

// sent are the tables of our statements in the target's own log, in its order.
func (s *story) sent() ([]string, error) {
	lines, err := statements(s.cluster.Nodes[target], s.before[target], ourStatement)
	if err != nil {
		return nil, err
	}
	var tables []string
	for _, l := range lines {
		m := ourStatement.FindStringSubmatch(l)
		tables = append(tables, m[1]+"."+m[2])
	}
	return tables, nil
}

// threeDigits is how a size of some MiB stands on a card.
func threeDigits(b int64) string {
	if mib(b) < 100 {
		return fmt.Sprintf("%.1f MiB", mib(b))
	}
	return fmt.Sprintf("%.0f MiB", mib(b))
}

func mib(b int64) float64 { return float64(b) / (1 << 20) }
