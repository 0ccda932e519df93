package bot

import (
	"strings"

	"mysql-recycler/engine"
)

// distance is the Damerau-Levenshtein distance in its restricted form: insert, delete, replace
// and swap of neighbours each cost one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var before, last []int
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		before, last, row = last, row, make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(y)]
}

// nearest returns the valid word closest to what was typed, or "" when none is close enough to
// be meant: two edits, or one in words of up to three letters, or a word it is the beginning of.
func nearest(typed string, valid []string) string {
	if len(typed) > 100 {
		return ""
	}
	typed = strings.ToLower(typed)
	best, bestAt := "", 3
	if len(typed) <= 3 {
		bestAt = 2
	}
	for _, v := range valid {
		if d := distance(typed, strings.ToLower(v)); d < bestAt {
			best, bestAt = v, d
		}
	}
	if best == "" && len(typed) >= 3 {
		for _, v := range valid {
			if strings.HasPrefix(strings.ToLower(v), typed) {
				return v
			}
		}
	}
	return best
}

// UnknownTarget refuses a name that is no configured host or cluster, with the nearest that is one.
// What was typed is compared, never looked up.
func UnknownTarget(name string, valid []string) *engine.Problem {
	p := &engine.Problem{Code: "unknown_host", Text: name + " is not a configured host or cluster."}
	if near := nearest(name, valid); near != "" {
		p.Next = "Did you mean " + near + "?"
	}
	return p
}
