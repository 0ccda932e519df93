package throttle

import "time"

// Reason is one comparison that failed, in words: "replica_lag 14s > 10s on db-prod-3".
type Reason struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Unit   string  `json:"unit"`
	Where  string  `json:"where"`
	Detail string  `json:"detail,omitempty"` // who holds the lock, …
}

// Verdict says whether work may start (or, when Critical, go on) now.
type Verdict struct {
	Throttled bool     `json:"throttled"`
	Critical  bool     `json:"critical"` // a running statement should be killed
	Reasons   []Reason `json:"reasons,omitempty"`
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
