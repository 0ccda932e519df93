package throttle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reason is one comparison that failed, in words: "replica_lag 14 s > 10 s on db-prod-3".
type Reason struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Unit   string  `json:"unit"`
	Where  string  `json:"where"`
	Detail string  `json:"detail,omitempty"` // who holds the lock, …
}

// The metrics a Reason can name.
const (
	MetricLag      = "replica_lag"      // seconds
	MetricThreads  = "threads_running"  // threads
	MetricTrx      = "long_transaction" // seconds
	MetricHistory  = "history_length"   // transactions not yet purged
	MetricDiskFree = "disk_free"        // bytes
	MetricTempFree = "tmp_free"         // bytes, where temporary files are
)

// String is the comparison. A metric that could not be read has no value and says so.
func (r Reason) String() string {
	var b strings.Builder
	b.WriteString(r.Metric)
	if r.Value < 0 {
		b.WriteString(" unknown")
	} else {
		sign := " > "
		if r.Metric == MetricDiskFree || r.Metric == MetricTempFree {
			sign = " < "
		}
		b.WriteString(" " + amount(r.Value, r.Unit) + sign + amount(r.Limit, r.Unit))
	}
	b.WriteString(" on " + r.Where)
	if r.Detail != "" {
		b.WriteString(": " + r.Detail)
	}
	return b.String()
}

// amount is a number with its unit.
func amount(v float64, unit string) string {
	if unit == "B" {
		return bytes(v)
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if v != float64(int64(v)) {
		text = strconv.FormatFloat(v, 'f', 1, 64)
	}
	if unit == "" {
		return text
	}
	return text + " " + unit
}

// bytes is a size in binary units, as disks and tables are told everywhere in the product.
func bytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// Verdict says whether work may start (or, when Critical, go on) now.
type Verdict struct {
	Throttled bool     `json:"throttled"`
	Critical  bool     `json:"critical"` // a running statement should be killed
	Reasons   []Reason `json:"reasons,omitempty"`
}

// String is the reasons, one after the other.
func (v Verdict) String() string {
	if !v.Throttled && !v.Critical {
		return "nothing holds it back"
	}
	parts := make([]string, len(v.Reasons))
	for i, r := range v.Reasons {
		parts[i] = r.String()
	}
	return strings.Join(parts, "; ")
}

// add appends a reason.
func (v *Verdict) add(critical bool, r Reason) {
	v.Throttled = true
	v.Critical = v.Critical || critical
	v.Reasons = append(v.Reasons, r)
}

// same reports whether two verdicts hold back for the same things; their values may differ.
func (v Verdict) same(o Verdict) bool {
	return v.Throttled == o.Throttled && v.Critical == o.Critical &&
		slices.EqualFunc(v.Reasons, o.Reasons, func(a, b Reason) bool {
			return a.Metric == b.Metric && a.Where == b.Where && a.Detail == b.Detail && (a.Value < 0) == (b.Value < 0)
		})
}

// Limits are the bounds of one job. A zero limit is not checked.
type Limits struct {
	MaxLag         time.Duration `json:"max_lag"`
	CriticalLag    time.Duration `json:"critical_lag"`
	ThreadsRunning int           `json:"threads_running"`
	HistoryLength  int64         `json:"history_length"`
	LongTrx        time.Duration `json:"long_trx"`  // transactions older than this on the table hold back a start
	DiskFree       int64         `json:"disk_free"` // bytes that must stay free beside the new file
}

// Critical is the end of During: a critical bound is broken and the statement should be killed.
type Critical struct{ Verdict Verdict }

// Error implements error.
func (e *Critical) Error() string { return "critical limit broken: " + e.Verdict.String() }

// Sentence says it to people.
func (e *Critical) Sentence() string {
	return "A critical limit was broken: " + e.Verdict.String() + "."
}

// Hint says what to do.
func (e *Critical) Hint() string {
	return "The table is queued again and starts when the limits hold."
}
