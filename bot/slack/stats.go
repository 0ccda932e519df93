package slack

import "sync"

// Stats is what happened since the start; every number only grows, except where it says "now".
type Stats struct {
	In  InStats
	Out OutStats
	// Sockets tells about each of our sockets now.
	Sockets []SocketStats
	// ForeignSockets is how many sockets of the app were not ours at the newest hello, now.
	ForeignSockets int
	// Fatal is the code with which Slack refuses our sockets for good, or "", now.
	Fatal string
	// FatalOut is the same for our messages.
	FatalOut string
}

// InStats counts inbound envelopes.
type InStats struct {
	Received   int64 // read from a socket
	Duplicates int64 // seen before
	Refused    int64 // not stored, so not acknowledged
	Unreadable int64
	Handled    int64
	Retried    int64 // handled again after an error
	GaveUp     int64 // left for the sweep
	AckErrors  int64
	SlowForms  int64 // a submission's answer was not ready in time
}

// OutStats counts outbound calls.
type OutStats struct {
	Posted      int64
	Edited      int64
	Unchanged   int64 // a revision that draws the same
	RateLimited int64 // answers 429
	Unknown     int64 // posts of which nobody knows whether they arrived
	Adopted     int64 // of those, found in the channel
	Reposted    int64 // a message that was gone, sent once more
	Failed      int64 // put off
	GaveUp      int64
	Whispers    int64
}

// SocketStats is one socket.
type SocketStats struct {
	Connected bool
	Hellos    int64
	Failures  int64 // failed attempts to connect since the last success
}

// counters guards Stats.
type counters struct {
	mu sync.Mutex
	s  Stats
}

func (c *counters) do(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.s
	out.Sockets = append([]SocketStats(nil), c.s.Sockets...)
	return out
}
