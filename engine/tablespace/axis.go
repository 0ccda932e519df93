package tablespace

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// axis turns the values of a key column into numbers and back, so that places can be spread
// evenly over a key and the distance between two keys be measured.
type axis struct {
	kind     axisKind
	min, max uint64
	floatMin float64
	floatMax float64
}

// axisKind is the family of a key column's values.
type axisKind string

// Kinds of axes. Distances on text are not measured: collations order it in their own way.
const (
	axisSigned   axisKind = "signed"
	axisUnsigned axisKind = "unsigned"
	axisFloat    axisKind = "float"
	axisBytes    axisKind = "bytes"
	axisText     axisKind = "text"
	axisNone     axisKind = "none"
)

// newAxis makes an axis from the type of a column and its least and greatest value.
func newAxis(c column, least, greatest []byte) axis {
	a := axis{kind: kindOf(c.full)}
	switch a.kind {
	case axisFloat:
		a.floatMin, _ = strconv.ParseFloat(string(least), 64)
		a.floatMax, _ = strconv.ParseFloat(string(greatest), 64)
		a.max = 1 << 52
	default:
		a.min, _ = a.absolute(least)
		a.max, _ = a.absolute(greatest)
	}
	if a.max < a.min {
		a.max = a.min
	}
	return a
}

// kindOf tells the family of a column.
func kindOf(full string) axisKind {
	switch {
	case strings.Contains(full, "int") && strings.Contains(full, "unsigned"):
		return axisUnsigned
	case strings.Contains(full, "int") && !strings.Contains(full, "point"), strings.HasPrefix(full, "year"):
		return axisSigned
	case strings.HasPrefix(full, "decimal"), strings.HasPrefix(full, "float"), strings.HasPrefix(full, "double"):
		return axisFloat
	case strings.HasPrefix(full, "binary"), strings.HasPrefix(full, "varbinary"):
		return axisBytes
	case strings.HasPrefix(full, "char"), strings.HasPrefix(full, "varchar"):
		return axisText
	}
	return axisNone
}

// absolute is a value as a number in the order of the key.
func (a axis) absolute(value []byte) (uint64, bool) {
	switch a.kind {
	case axisSigned:
		n, err := strconv.ParseInt(string(value), 10, 64)
		return uint64(n) + 1<<63, err == nil
	case axisUnsigned:
		n, err := strconv.ParseUint(string(value), 10, 64)
		return n, err == nil
	case axisFloat:
		f, err := strconv.ParseFloat(string(value), 64)
		if err != nil || a.floatMax <= a.floatMin {
			return 0, false
		}
		return uint64((f - a.floatMin) / (a.floatMax - a.floatMin) * (1 << 52)), true
	case axisBytes, axisText:
		var head [8]byte
		copy(head[:], value)
		return binary.BigEndian.Uint64(head[:]), true
	}
	return 0, false
}

// span is the length of the axis.
func (a axis) span() float64 { return float64(a.max-a.min) + 1 }

// measures reports whether distances on the axis mean something.
func (a axis) measures() bool {
	return a.kind != axisText && a.kind != axisNone && a.max > a.min
}

// at is the place at a share of the axis, as a number and as a value to compare the column with.
func (a axis) at(share float64) (uint64, any) {
	n := a.min + uint64(share*float64(a.max-a.min))
	n = min(max(n, a.min), a.max)
	switch a.kind {
	case axisSigned:
		return n, int64(n - 1<<63)
	case axisUnsigned:
		return n, n
	case axisFloat:
		return n, a.floatMin + share*(a.floatMax-a.floatMin)
	case axisBytes:
		return n, binary.BigEndian.AppendUint64(nil, n)
	}
	text := binary.BigEndian.AppendUint64(nil, n)
	for i, b := range text {
		if b < 0x20 || b > 0x7e { // only printable ASCII is legal in every character set
			text[i] = '0'
		}
	}
	return n, string(text)
}

// share is where a number lies between the ends of the axis, 0..1.
func (a axis) share(n uint64) float64 {
	if a.max == a.min {
		return 0
	}
	return math.Min(1, float64(n-a.min)/float64(a.max-a.min))
}
