package tablespace

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
)

// axis turns the values of a key column into numbers and back, so that places can be spread
// evenly over a key and the distance between two keys be measured.
type axis struct {
	kind     axisKind
	min, max uint64
	floatMin float64
	floatMax float64
	text     *alphabet
	layout   string // of a temporal value
}

// axisKind is the family of a key column's values.
type axisKind string

// Kinds of axes.
const (
	axisSigned   axisKind = "signed"
	axisUnsigned axisKind = "unsigned"
	axisFloat    axisKind = "float"
	axisBytes    axisKind = "bytes"
	axisText     axisKind = "text"
	axisTime     axisKind = "time"
	axisNone     axisKind = "none" // no order we could compute with
)

// newAxis makes an axis from the type of a column and its least and greatest value. An axis of
// text has no ends before its alphabet is learnt.
func newAxis(c column, least, greatest []byte) axis {
	a := axis{kind: kindOf(c.full)}
	if least == nil || greatest == nil {
		return axis{kind: axisNone} // an empty table
	}
	switch a.kind {
	case axisNone, axisText:
		return a
	case axisFloat:
		a.floatMin, _ = strconv.ParseFloat(string(least), 64)
		a.floatMax, _ = strconv.ParseFloat(string(greatest), 64)
		a.max = 1 << 52
		return a
	case axisTime:
		a.layout = time.DateTime
		if strings.HasPrefix(c.full, "date") && !strings.HasPrefix(c.full, "datetime") {
			a.layout = time.DateOnly
		}
	}
	return a.between(least, greatest)
}

// between sets the ends of the axis; values it cannot read make it useless.
func (a axis) between(least, greatest []byte) axis {
	var ok, ok2 bool
	a.min, ok = a.absolute(least)
	a.max, ok2 = a.absolute(greatest)
	if !ok || !ok2 || a.max < a.min {
		return axis{kind: axisNone}
	}
	return a
}

// kindOf tells the family of a column by its full type.
func kindOf(full string) axisKind {
	starts := func(words ...string) bool {
		for _, w := range words {
			if strings.HasPrefix(full, w) {
				return true
			}
		}
		return false
	}
	switch {
	case starts("tinyint", "smallint", "mediumint", "int", "bigint"):
		if strings.Contains(full, "unsigned") {
			return axisUnsigned
		}
		return axisSigned
	case starts("year"):
		return axisSigned
	case starts("decimal", "float", "double"):
		return axisFloat
	case starts("binary", "varbinary"):
		return axisBytes
	case starts("char", "varchar"):
		return axisText
	case starts("date", "timestamp"):
		return axisTime
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
	case axisTime:
		t, err := time.Parse(a.layout, string(value)) // a fraction of a second is read too
		return uint64(t.UnixMicro()) + 1<<63, err == nil
	case axisBytes:
		var head [8]byte
		copy(head[:], value)
		return binary.BigEndian.Uint64(head[:]), true
	case axisText:
		if a.text == nil {
			return 0, false
		}
		return a.text.number(value), true
	}
	return 0, false
}

// span is the length of the axis.
func (a axis) span() float64 { return float64(a.max-a.min) + 1 }

// measures reports whether distances on the axis mean something.
func (a axis) measures() bool { return a.usable() && a.max > a.min }

// usable reports whether places on the axis can be named.
func (a axis) usable() bool { return a.kind != axisNone && (a.kind != axisText || a.text != nil) }

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
		return n, a.floatMin + math.Min(1, share)*(a.floatMax-a.floatMin)
	case axisTime:
		text := time.UnixMicro(int64(n - 1<<63)).UTC().Format(a.layout)
		n, _ = a.absolute([]byte(text)) // without the fraction that the text has lost
		return n, text
	case axisBytes:
		return n, binary.BigEndian.AppendUint64(nil, n)
	}
	return n, a.text.value(n)
}
