package engine

import (
	"context"
	"slices"
	"sync"

	"mysql-recycler/engine/throttle"
)

// claims are the tables under way on one host, in the order in which they were taken. What an earlier
// one will still write is no room for a later one: two tables go at once only where both fit.
type claims struct {
	mu   sync.Mutex
	list []*claim
}

// claim is the room of one table, in bytes: of its new file, which grows, and of its sort files.
type claim struct{ data, temp, written int64 }

// take claims the room of a table.
func (c *claims) take(s *Step) *claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := &claim{data: s.Plan.High, temp: s.Plan.Temp}
	c.list = append(c.list, mine)
	return mine
}

// release ends a claim.
func (c *claims) release(mine *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(c.list, func(o *claim) bool { return o == mine })
}

// wrote notes how big a table's new file is: that much is not free any more anyway.
func (c *claims) wrote(mine *claim, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine.written = bytes
}

// before is what the tables taken before one will still write; others says whether there are any.
func (c *claims) before(mine *claim) (data, temp int64, others bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.list {
		if o == mine {
			break
		}
		data, temp, others = data+max(0, o.data-o.written), temp+o.temp, true
	}
	return data, temp, others
}

// beside is a disk of the host as one table finds it: what the tables before it will still write is
// taken off. Where nobody knows what is free there is no room beside another table.
type beside struct {
	of, other throttle.DiskProbe // the other one can be on the same file system
	temp      bool               // of is that of temporary files
	claims    *claims
	mine      *claim
}

// Free implements throttle.DiskProbe.
func (b beside) Free(ctx context.Context) (throttle.Space, error) {
	s, err := b.of.Free(ctx)
	data, temp, others := b.claims.before(b.mine)
	if err != nil || !others {
		return s, err
	}
	if !s.Known && b.temp {
		return s, nil // as for a table alone; what sorting writes is gone when it ends
	}
	if !s.Known {
		return s, &Problem{Code: "room_unknown", Text: "nobody tells what is free, so tables go one after the other.",
			Next: "Set free_disk of the host, or a plugin of kind disk."}
	}
	own, more := data, temp
	if b.temp {
		own, more = temp, data
	}
	s.Bytes -= own
	if o, err := b.other.Free(ctx); err == nil && o.Known && o.On != "" && o.On == s.On {
		s.Bytes -= more
	}
	s.Bytes = max(0, s.Bytes)
	return s, nil
}

// gate is the throttle of one table's start.
func (h *host) gate(mine *claim) *throttle.Throttle {
	d := h.load.disks
	return h.throttle.With(throttle.Disks{
		Data: beside{of: d.Data, other: d.Temp, claims: &h.claims, mine: mine},
		Temp: beside{of: d.Temp, other: d.Data, temp: true, claims: &h.claims, mine: mine},
	})
}
