package engine

import (
	"sync"

	"mysql-recycler/engine/rebuild"
)

// LiveStep is the newest progress of a job's running step.
type LiveStep struct {
	Seq      int
	Table    string
	Progress rebuild.Progress
}

// Live holds the newest progress of the jobs that run in this process. Ticks are not facts: they
// are never stored, and a reader that misses one loses nothing.
type Live struct {
	mu   sync.Mutex
	jobs map[string]LiveStep
}

// NewLive returns an empty board.
func NewLive() *Live { return &Live{jobs: map[string]LiveStep{}} }

// Progress returns the newest progress of a job.
func (l *Live) Progress(jobID string) (LiveStep, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.jobs[jobID]
	return s, ok
}

// set stores the newest progress of a job.
func (l *Live) set(jobID string, s LiveStep) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[jobID] = s
}

// clear forgets a job that no longer runs.
func (l *Live) clear(jobID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, jobID)
}
