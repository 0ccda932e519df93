package gtid

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Interval is a closed range of transaction numbers.
type Interval struct{ First, Last int64 }

// Source is who numbered the transactions: a server's UUID (a group's under Group Replication)
// and a tag, empty for none.
type Source struct{ UUID, Tag string }

// Set is a MySQL GTID set. The intervals of each source are sorted, disjoint and not adjacent.
type Set map[Source][]Interval

// ParseSet reads the text of @@gtid_executed: "uuid:1-3:5,uuid:7:tag:1-2", with line breaks where
// the server puts them.
func ParseSet(text string) (Set, error) {
	s := Set{}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		fields := strings.Split(part, ":")
		src := Source{UUID: strings.ToLower(strings.TrimSpace(fields[0]))}
		if len(fields) < 2 || len(strings.ReplaceAll(src.UUID, "-", "")) != 32 {
			return nil, fmt.Errorf("read GTID set: %q is not uuid:numbers", part)
		}
		for _, f := range fields[1:] {
			f = strings.ToLower(strings.TrimSpace(f))
			if f == "" || f[0] < '0' || f[0] > '9' {
				src.Tag = f // numbers that follow belong to this tag
				continue
			}
			iv, err := parseInterval(f)
			if err != nil {
				return nil, fmt.Errorf("read GTID set: %q: %w", part, err)
			}
			s[src] = append(s[src], iv)
		}
	}
	for src, ivs := range s {
		s[src] = normalize(ivs)
	}
	return s, nil
}

// parseInterval reads "5" or "1-3".
func parseInterval(f string) (Interval, error) {
	first, last, ranged := strings.Cut(f, "-")
	a, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return Interval{}, err
	}
	b := a
	if ranged {
		if b, err = strconv.ParseInt(last, 10, 64); err != nil {
			return Interval{}, err
		}
	}
	if a < 1 || b < a {
		return Interval{}, fmt.Errorf("%q is no interval", f)
	}
	return Interval{a, b}, nil
}

// normalize sorts intervals and joins those that touch.
func normalize(ivs []Interval) []Interval {
	slices.SortFunc(ivs, func(a, b Interval) int { return cmp.Compare(a.First, b.First) })
	out := ivs[:0]
	for _, iv := range ivs {
		if n := len(out); n > 0 && iv.First <= out[n-1].Last+1 {
			out[n-1].Last = max(out[n-1].Last, iv.Last)
			continue
		}
		out = append(out, iv)
	}
	return out
}

// Subtract is what is in s and not in other.
func (s Set) Subtract(other Set) Set {
	out := Set{}
	for src, ivs := range s {
		if rest := subtract(ivs, other[src]); len(rest) > 0 {
			out[src] = rest
		}
	}
	return out
}

// subtract removes the intervals of b from those of a; both are normalized.
func subtract(a, b []Interval) []Interval {
	var out []Interval
	j := 0
	for _, iv := range a {
		for j < len(b) && b[j].Last < iv.First {
			j++
		}
		for k := j; k < len(b) && b[k].First <= iv.Last; k++ {
			if b[k].First > iv.First {
				out = append(out, Interval{iv.First, b[k].First - 1})
			}
			iv.First = b[k].Last + 1
		}
		if iv.First <= iv.Last {
			out = append(out, iv)
		}
	}
	return out
}

// Union is what is in either.
func (s Set) Union(other Set) Set {
	out := Set{}
	for _, one := range []Set{s, other} {
		for src, ivs := range one {
			out[src] = normalize(append(slices.Clone(out[src]), ivs...))
		}
	}
	return out
}

// Contains reports whether every transaction of other is in s.
func (s Set) Contains(other Set) bool { return other.Subtract(s).Empty() }

// Of is the part numbered by one server, all tags of it.
func (s Set) Of(uuid string) Set {
	out := Set{}
	for src, ivs := range s {
		if src.UUID == strings.ToLower(uuid) {
			out[src] = slices.Clone(ivs)
		}
	}
	return out
}

// Empty reports whether the set holds nothing.
func (s Set) Empty() bool { return s.Count() == 0 }

// Count is the number of transactions.
func (s Set) Count() int64 {
	var n int64
	for _, ivs := range s {
		for _, iv := range ivs {
			n += iv.Last - iv.First + 1
		}
	}
	return n
}

// String is the set in the server's own form and order, so that equal sets have equal texts.
func (s Set) String() string {
	sources := slices.SortedFunc(maps.Keys(s), func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.UUID, b.UUID), cmp.Compare(a.Tag, b.Tag))
	})
	var b strings.Builder
	last := ""
	for _, src := range sources {
		switch {
		case len(s[src]) == 0:
			continue
		case src.UUID == last: // a further tag of the same server
		case last != "":
			b.WriteString(",")
			fallthrough
		default:
			b.WriteString(src.UUID)
			last = src.UUID
		}
		if src.Tag != "" {
			b.WriteString(":" + src.Tag)
		}
		for _, iv := range s[src] {
			fmt.Fprintf(&b, ":%d", iv.First)
			if iv.Last > iv.First {
				fmt.Fprintf(&b, "-%d", iv.Last)
			}
		}
	}
	return b.String()
}
