package engine

import (
	"slices"
	"sync"

	"mysql-recycler/engine/rebuild"
)

// LiveStep is the newest progress of one of a job's running steps.
type LiveStep struct {
	Seq      int              `json:"seq"`
	Table    string           `json:"table"`
	Progress rebuild.Progress `json:"progress"`
}

// Live holds the newest progress of running jobs, one of each table that is rebuilt: of those that run
// in this process, and of what it was told about others. Ticks are not facts: a reader that misses one
// loses nothing.
type Live struct {
	mu     sync.Mutex
	jobs   map[string][]LiveStep // in the order of the steps
	others map[string][]LiveStep
}

// NewLive returns an empty board.
func NewLive() *Live { return &Live{jobs: map[string][]LiveStep{}} }

// Progress returns the newest progress of a job's running steps, in their order.
func (l *Live) Progress(jobID string) []LiveStep {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.jobs[jobID]; ok {
		return slices.Clone(s)
	}
	return slices.Clone(l.others[jobID])
}

// Ours returns the progress of the jobs that run in this process.
func (l *Live) Ours() map[string][]LiveStep {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string][]LiveStep, len(l.jobs))
	for id, s := range l.jobs {
		out[id] = slices.Clone(s)
	}
	return out
}

// Hear replaces what is known of jobs that run elsewhere.
func (l *Live) Hear(others map[string][]LiveStep) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others = others
}

// Set stores the newest progress of a step of this process.
func (l *Live) Set(jobID string, s LiveStep) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := slices.BinarySearchFunc(l.jobs[jobID], s.Seq, func(o LiveStep, seq int) int { return o.Seq - seq })
	if found {
		l.jobs[jobID][i] = s
		return
	}
	l.jobs[jobID] = slices.Insert(l.jobs[jobID], i, s)
}

// Drop forgets a step that no longer runs.
func (l *Live) Drop(jobID string, seq int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := slices.DeleteFunc(l.jobs[jobID], func(s LiveStep) bool { return s.Seq == seq })
	if len(rest) == 0 {
		delete(l.jobs, jobID)
		return
	}
	l.jobs[jobID] = rest
}
