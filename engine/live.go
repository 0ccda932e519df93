package engine

import (
	"maps"
	"sync"

	"mysql-recycler/engine/rebuild"
)

// LiveStep is the newest progress of a job's running step.
type LiveStep struct {
	Seq      int              `json:"seq"`
	Table    string           `json:"table"`
	Progress rebuild.Progress `json:"progress"`
}

// Live holds the newest progress of running jobs: of those that run in this process, and of what it
// was told about others. Ticks are not facts: a reader that misses one loses nothing.
type Live struct {
	mu     sync.Mutex
	jobs   map[string]LiveStep
	others map[string]LiveStep
}

// NewLive returns an empty board.
func NewLive() *Live { return &Live{jobs: map[string]LiveStep{}} }

// Progress returns the newest progress of a job.
func (l *Live) Progress(jobID string) (LiveStep, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.jobs[jobID]
	if !ok {
		s, ok = l.others[jobID]
	}
	return s, ok
}

// Ours returns the progress of the jobs that run in this process.
func (l *Live) Ours() map[string]LiveStep {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.jobs)
}

// Hear replaces what is known of jobs that run elsewhere.
func (l *Live) Hear(others map[string]LiveStep) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others = others
}

// Set stores the newest progress of a job of this process.
func (l *Live) Set(jobID string, s LiveStep) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[jobID] = s
}

// Clear forgets a job that no longer runs in this process.
func (l *Live) Clear(jobID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, jobID)
}
