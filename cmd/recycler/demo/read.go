package demo

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mysql-recycler/bot/sandbox"
)

// This file reads what stands in the channel as a person does: trees, tables, fields, bars.

// gaps are what separates columns.
var gaps = regexp.MustCompile(`\s{2,}`)

// branch is a line of a topology: a server, whom it hangs below, and its columns.
type branch struct {
	name, parent  string
	role, version string
	marks         []string // read_only=1, lag 0 s
}

// readTree finds the servers of a drawn topology by their indentation.
func readTree(text string) []branch {
	var tree []branch
	var above []string // by depth
	for _, line := range strings.Split(text, "\n") {
		rest := strings.TrimLeft(line, "│├└─ ")
		columns := gaps.Split(strings.TrimSpace(rest), -1)
		if len(columns) < 4 || !slices.Contains(names, columns[0]) {
			continue
		}
		depth := min((utf8.RuneCountInString(line)-utf8.RuneCountInString(rest))/3, len(above))
		b := branch{name: columns[0], role: columns[1], version: columns[2], marks: columns[3:]}
		if depth > 0 {
			b.parent = above[depth-1]
		}
		above = append(above[:depth], b.name)
		tree = append(tree, b)
	}
	return tree
}

// mark is the value of the mark that begins so; empty: there is none.
func (b branch) mark(begin string) string {
	for _, m := range b.marks {
		if v, ok := strings.CutPrefix(m, begin); ok {
			return v
		}
	}
	return ""
}

// row is a line of a table about a table, or about their sum.
type row struct {
	name  string
	cells []string
}

// mib is a size in a row, whatever is said behind it; -1: it is none.
func (r row) mib(column int) float64 {
	if column >= len(r.cells) {
		return -1
	}
	words := strings.Fields(r.cells[column])
	if len(words) < 2 {
		return -1
	}
	v, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return -1
	}
	switch words[1] {
	case "GiB":
		return v * 1024
	case "MiB":
		return v
	case "KiB":
		return v / 1024
	case "B":
		return v / 1024 / 1024
	}
	return -1
}

var tableName = regexp.MustCompile(`^(shop|crm)\.\w+$`)

// readRows finds the rows of tables and their sum.
func readRows(text string) (rows []row, sum row) {
	for _, line := range strings.Split(text, "\n") {
		columns := gaps.Split(strings.TrimSpace(line), -1)
		switch {
		case len(columns) < 4:
		case tableName.MatchString(columns[0]):
			rows = append(rows, row{columns[0], columns[1:]})
		case columns[0] == "Sum":
			sum = row{columns[0], columns[1:]}
		}
	}
	return rows, sum
}

// named lists the tables of rows.
func named(rows []row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.name
	}
	return out
}

// field is the value behind a label.
func field(text, label string) string {
	for _, line := range strings.Split(text, "\n") {
		if v, ok := strings.CutPrefix(line, label+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var (
	requestID  = regexp.MustCompile(`\bR-[0-9A-Z]{4}\b`)
	planDigest = regexp.MustCompile(`\bplan ([0-9a-f]{8})\b`)
	dateToken  = regexp.MustCompile(`<!date\^(\d+)\^`)
	barWords   = regexp.MustCompile(`[▓░]{20} \d+ % · (\d+)/(\d+) tables`)
	resumedAt  = regexp.MustCompile(`resumed at table (\d+)/(\d+) on (\S+)\.`)
)

// digest is the plan's as a message shows it.
func digest(text string) string {
	if m := planDigest.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// bars are how many tables were done in each version that has a bar.
func bars(versions []sandbox.Message) []int {
	var done []int
	for _, v := range versions {
		if m := barWords.FindStringSubmatch(text(v)); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				n = -1
			}
			done = append(done, n)
		}
	}
	return done
}

// moments are the times in the block that holds the words, in seconds since 1970.
func moments(m sandbox.Message, words string) []int64 {
	var out []int64
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case obj:
			if ts, ok := x["timestamp"].(float64); ok && str(x["type"]) == "date" {
				out = append(out, int64(ts))
			}
			for _, e := range x {
				walk(e)
			}
		case string:
			for _, found := range dateToken.FindAllStringSubmatch(x, -1) {
				if n, err := strconv.ParseInt(found[1], 10, 64); err == nil {
					out = append(out, n)
				}
			}
		}
	}
	for _, b := range m.Blocks {
		var said strings.Builder
		block(&said, object(b))
		if strings.Contains(said.String(), words) {
			walk(b)
		}
	}
	return out
}
