package engine

import "time"

// Ended is a job that ended, with what it came to, as sums: for looking back over many.
type Ended struct {
	RequestID string
	Channel   string // of the request
	Host      string
	State     JobState
	Reason    string // why it did not succeed
	At        time.Time
	Tables    int   // rebuilt
	Bytes     int64 // given back by them, as the server measured
}
