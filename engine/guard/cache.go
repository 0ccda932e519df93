package guard

import (
	"sync"
	"time"

	"mysql-recycler/engine/dbconn"
)

// memory keeps refusals with a cause for a time. It has no way to keep anything else, so that
// nothing read from it can allow.
type memory[K comparable] struct {
	keep time.Duration
	now  func() time.Time
	mu   sync.Mutex
	m    map[K]remembered
}

// remembered are refusals and when they were given.
type remembered struct {
	findings []Finding
	at       time.Time
}

// put replaces what is kept by the refusals with a cause among the findings; without any, nothing
// is kept. What merely could not be learned may be known in the next moment.
func (m *memory[K]) put(k K, findings ...Finding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	delete(m.m, k)
	for old, r := range m.m { // servers come and go; what is out of date goes with the next refusal
		if now.Sub(r.at) >= m.keep {
			delete(m.m, old)
		}
	}
	refusals := Verdict{Findings: findings}.Lasting().Findings
	if len(refusals) == 0 || m.keep <= 0 {
		return
	}
	if m.m == nil {
		m.m = map[K]remembered{}
	}
	m.m[k] = remembered{findings: refusals, at: now}
}

// get are the refusals kept, nil if there are none or they are out of date.
func (m *memory[K]) get(k K) []Finding {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.m[k]; ok && m.now().Sub(r.at) < m.keep {
		return r.findings
	}
	return nil
}

// Cache remembers which servers were refused, for cards and early answers. It can only refuse:
// that a server was allowed is never kept, and whoever wants to run asks Permit whatever is in here.
type Cache struct {
	refusals memory[dbconn.Identity]
}

// NewCache returns a cache that gives a refusal again for less than keep; now is time.Now outside
// of tests.
func NewCache(keep time.Duration, now func() time.Time) *Cache {
	return &Cache{refusals: memory[dbconn.Identity]{keep: keep, now: now}}
}

// Note takes a new verdict about a server in place of what was remembered of it. One that learned
// nothing replaces nothing.
func (c *Cache) Note(id dbconn.Identity, v Verdict) {
	if id != "" && (v.Allowed() || v.Known()) {
		c.refusals.put(id, v.Findings...)
	}
}

// Refusal is the remembered refusal of a server, with what was found then; false says nothing.
func (c *Cache) Refusal(id dbconn.Identity) (Verdict, bool) {
	findings := c.refusals.get(id)
	return Verdict{Findings: findings}, len(findings) > 0
}
