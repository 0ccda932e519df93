package tablespace

import (
	"slices"
	"strings"
)

// alphabet maps text to numbers by what was seen at each position of sampled values: the 16 digits
// of a UUID, the dash at a fixed place, the common beginning of all values. Distances then mean
// what they mean on a number, where bytes would leave wide gaps between '9' and 'a'.
type alphabet struct {
	symbols [][]byte // by position, in order; 0 stands for the end of a shorter value
	weight  []uint64 // value of one step at a position
}

// learn makes an alphabet from values that are in the order of the key. ok is false when the order
// is not that of the bytes (a collation that ignores case, letters beyond ASCII) or nothing varies.
func learn(groups [][][]byte) (*alphabet, bool) {
	const positions = 24
	var a alphabet
	total := uint64(1)
	for i := range positions {
		var seen [256]bool
		n := 0
		for _, values := range groups {
			for _, v := range values {
				var b byte
				if i < len(v) {
					b = v[i]
				}
				if b >= 0x80 {
					return nil, false
				}
				if !seen[b] {
					seen[b], n = true, n+1
				}
			}
		}
		if n == 0 || total > 1<<62/uint64(n) {
			break // more positions would not fit, and are too fine to matter
		}
		total *= uint64(n)
		var symbols []byte
		for b := range seen {
			if seen[b] {
				symbols = append(symbols, byte(b))
			}
		}
		a.symbols = append(a.symbols, symbols)
	}
	step := uint64(1)
	a.weight = make([]uint64, len(a.symbols))
	for i := len(a.symbols) - 1; i >= 0; i-- {
		a.weight[i] = step
		step *= uint64(len(a.symbols[i]))
	}
	if total < 2 {
		return nil, false
	}
	for _, values := range groups {
		for i := 1; i < len(values); i++ {
			if a.number(values[i]) < a.number(values[i-1]) {
				return nil, false
			}
		}
	}
	return &a, true
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
