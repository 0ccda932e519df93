package queue

import (
	"fmt"

	"github.com/riverqueue/river"
)

// works reports whether this process works any region.
func (q *Queue) works() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.opts.Regions) > 0
}

// Work makes this process work a region from now on too, with its jobs at once. A region it works
// already stays as it is. A process that was started without regions works none.
func (q *Queue) Work(region string, atOnce int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, works := q.opts.Regions[region]; works || len(q.opts.Regions) == 0 {
		return nil
	}
	if err := q.life.Queues().Add(queueName(region), river.QueueConfig{MaxWorkers: atOnce}); err != nil {
		return fmt.Errorf("work the region %q: %w", region, err)
	}
	q.opts.Regions[region] = atOnce
	return nil
}
