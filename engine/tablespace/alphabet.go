package tablespace

import (
	"slices"
	"strings"
)

// alphabet maps text to numbers by what stands at each position: the 16 digits of a UUID, the dash
// at a fixed place, the common beginning of all values. Distances then mean what they mean on a
// number, where bytes would leave wide gaps between '9' and 'a'.
type alphabet struct {
	symbols [][]byte // by position, in order; 0 stands for the end of a shorter value
	weight  []uint64 // value of one step at a position
}

// classes are the sets of symbols that keys are written in, smallest first: a sample of some
// hundred values shows which one it is, but not every symbol of it at every position.
var classes = []string{
	"0123456789",
	"0123456789abcdef",
	"0123456789ABCDEF",
	"0123456789ABCDEFGHJKMNPQRSTVWXYZ", // Crockford's base 32, as in ULIDs
	"0123456789abcdefghijklmnopqrstuvwxyz",
	"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
}

// learn makes an alphabet from values that are in the order of the key, in groups of neighbours.
// ok is false when the order is not that of the bytes (letters of both cases, letters beyond ASCII)
// or nothing varies.
func learn(groups [][][]byte) (*alphabet, bool) {
	const positions = 24
	var seen [positions][256]bool
	longest := 0
	for _, values := range groups {
		for _, v := range values {
			longest = max(longest, len(v))
			for i := range positions {
				if i < len(v) {
					seen[i][v[i]] = true
				} else {
					seen[i][0] = true
				}
			}
		}
	}
	class, ok := classOf(seen[:min(longest, positions)])
	if !ok {
		return nil, false
	}
	a := &alphabet{}
	total := uint64(1)
	for i := range min(longest, positions) {
		symbols := symbolsAt(seen[i], class)
		if total > 1<<62/uint64(len(symbols)) {
			break // further positions would not fit, and are too fine to matter
		}
		total *= uint64(len(symbols))
		a.symbols = append(a.symbols, symbols)
	}
	step := uint64(1)
	a.weight = make([]uint64, len(a.symbols))
	for i := len(a.symbols) - 1; i >= 0; i-- {
		a.weight[i] = step
		step *= uint64(len(a.symbols[i]))
	}
	return a, total > 1 && a.ordered(groups)
}

// classOf finds the smallest class that holds all symbols of the positions that vary.
func classOf(seen [][256]bool) (string, bool) {
	for _, class := range classes {
		fits := true
		for _, at := range seen {
			n, foreign := 0, false
			for b, is := range at {
				if is {
					n++
					foreign = foreign || b != 0 && !strings.ContainsRune(class, rune(b))
				}
			}
			if n > 1 && foreign {
				fits = false
			}
		}
		if fits {
			return class, true
		}
	}
	return "", false
}

// symbolsAt is what can stand at a position: the one symbol that always does, or the class.
func symbolsAt(seen [256]bool, class string) []byte {
	var symbols []byte
	for b, is := range seen {
		if is {
			symbols = append(symbols, byte(b))
		}
	}
	if len(symbols) == 1 {
		return symbols
	}
	all := []byte(class)
	if seen[0] {
		all = append(all, 0)
	}
	slices.Sort(all)
	return all
}

// ordered reports whether the numbers of neighbours go up as the key does.
func (a *alphabet) ordered(groups [][][]byte) bool {
	for _, values := range groups {
		for i := 1; i < len(values); i++ {
			if a.number(values[i]) < a.number(values[i-1]) {
				return false
			}
		}
	}
	return true
}

// number is where a value lies. An unseen symbol counts as its next greater neighbour.
func (a *alphabet) number(v []byte) uint64 {
	sum := uint64(0)
	for i, symbols := range a.symbols {
		var b byte
		if i < len(v) {
			b = v[i]
		}
		at, _ := slices.BinarySearch(symbols, b)
		sum += uint64(min(at, len(symbols)-1)) * a.weight[i]
	}
	return sum
}

// value is a text that lies at a number.
func (a *alphabet) value(n uint64) string {
	var b strings.Builder
	for i, symbols := range a.symbols {
		s := symbols[min(n/a.weight[i], uint64(len(symbols)-1))]
		n %= a.weight[i]
		if s == 0 {
			break
		}
		b.WriteByte(s)
	}
	return b.String()
}
