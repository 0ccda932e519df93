package gtid

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Stream is one numbering of MariaDB: transactions of a server in a replication domain.
type Stream struct{ Domain, Server uint32 }

// State is MariaDB's gtid_binlog_state: the last sequence number of every stream that is in the
// binary log. Numbers rise within a domain across servers, so a stream's numbers have gaps: a
// State says how far each stream got, not which numbers exist.
type State map[Stream]uint64

// ParseState reads "0-1-100,0-2-57".
func ParseState(text string) (State, error) {
	s := State{}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		fields := strings.Split(part, "-")
		if len(fields) != 3 {
			return nil, fmt.Errorf("read GTID position: %q is not domain-server-sequence", part)
		}
		var n [3]uint64
		for i, bits := range []int{32, 32, 64} {
			v, err := strconv.ParseUint(fields[i], 10, bits)
			if err != nil {
				return nil, fmt.Errorf("read GTID position: %q: %w", part, err)
			}
			n[i] = v
		}
		st := Stream{uint32(n[0]), uint32(n[1])}
		s[st] = max(s[st], n[2])
	}
	return s, nil
}

// Ahead is what s has written and other has not: the streams in which s is further, with how far
// s is.
func (s State) Ahead(other State) State {
	out := State{}
	for st, seq := range s {
		if seq > other[st] {
			out[st] = seq
		}
	}
	return out
}

// Of is the part written by one server, all domains of it.
func (s State) Of(server uint32) State {
	out := State{}
	for st, seq := range s {
		if st.Server == server {
			out[st] = seq
		}
	}
	return out
}

// Empty reports whether nothing was written.
func (s State) Empty() bool { return len(s) == 0 }

// String is the state in the server's own form, sorted.
func (s State) String() string {
	streams := slices.SortedFunc(maps.Keys(s), func(a, b Stream) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Server, b.Server))
	})
	parts := make([]string, len(streams))
	for i, st := range streams {
		parts[i] = fmt.Sprintf("%d-%d-%d", st.Domain, st.Server, s[st])
	}
	return strings.Join(parts, ",")
}

// Behind is how many numbers other is behind s, over the domains of s: the most transactions that
// other can lack.
func (s State) Behind(other State) int64 {
	highest := func(of State, domain uint32) (top uint64) {
		for st, seq := range of {
			if st.Domain == domain {
				top = max(top, seq)
			}
		}
		return top
	}
	var n int64
	done := map[uint32]bool{}
	for st := range s {
		if done[st.Domain] {
			continue
		}
		done[st.Domain] = true
		if a, b := highest(s, st.Domain), highest(other, st.Domain); a > b {
			n += int64(a - b)
		}
	}
	return n
}
