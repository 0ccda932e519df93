package guard

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Validator is one independent reason to refuse. An error, a timeout or missing evidence is a refusal.
type Validator interface {
	// Name is a constant word for logs and cards.
	Name() string
	// Judge answers within the context's time; Ask refuses for a validator that does not.
	Judge(ctx context.Context, s Subject) Finding
}

// AskTimeout bounds one question to all validators. Those that ask somebody else (an external source,
// plugins) must answer within it, with all their attempts.
const AskTimeout = 5 * time.Second

// Guard asks its validators.
type Guard struct {
	own      []Validator // judge the subject alone, in no time
	others   []Validator // ask somebody else
	timeout  time.Duration
	refusals *Cache // nil: nothing is remembered
}

// New returns a guard with these validators. A guard without any allows nothing.
func New(validators ...Validator) *Guard {
	return &Guard{others: validators, timeout: AskTimeout}
}

// Remember has the guard note what Permit and Watch found in a cache, which may be that of other
// guards too, and returns it. The guard itself never reads it: permission is asked for anew.
func (g *Guard) Remember(c *Cache) *Guard {
	g.refusals = c
	return g
}

// note remembers what was found of the server that was approved.
func (g *Guard) note(e Expectation, v Verdict) {
	if g.refusals != nil {
		g.refusals.Note(e.Identity, v)
	}
}

// Default returns the guard of the design; an ExternalConfig without URL leaves out the external
// source of truth. more are asked beside them; each can only refuse.
func Default(external ExternalConfig, more ...Validator) *Guard {
	var others []Validator
	if external.URL != "" {
		others = append(others, NewExternal(external))
	}
	g := New(append(others, more...)...)
	g.own = []Validator{
		identity{}, readOnly{}, replication{}, sourceless{}, role{}, group{}, writes{}, errant{},
	}
	return g
}

// all are the validators in the order of their findings.
func (g *Guard) all() []Validator { return slices.Concat(g.own, g.others) }

// Has reports whether a validator of this name is asked.
func (g *Guard) Has(name string) bool {
	return slices.ContainsFunc(g.all(), func(v Validator) bool { return v.Name() == name })
}

// Ask asks every validator at once. The verdict has one finding per validator in their order; one
// that panics or does not answer in time refuses. A subject that is no fresh read is never allowed.
func (g *Guard) Ask(ctx context.Context, s Subject) Verdict {
	return g.ask(ctx, s, g.all())
}

// ask is Ask with some of the validators.
func (g *Guard) ask(ctx context.Context, s Subject, of []Validator) Verdict {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	type answer struct {
		n int
		f Finding
	}
	answers := make(chan answer, len(of)) // buffered: a late answer finds room and nobody waits
	for n, v := range of {
		// The owner of these goroutines is this call as long as they answer in time. One that
		// does not is left behind on purpose: waiting for it would let it hold up a refusal.
		go func() { answers <- answer{n, judge(ctx, v, s)} }()
	}
	findings := make([]Finding, len(of))
	for n, v := range of {
		findings[n] = s.unknown(v, fmt.Sprintf("the check %q on %s did not answer in time", v.Name(), s.name()),
			fmt.Sprintf("no answer within %s", g.timeout))
	}
	for range of {
		select {
		case a := <-answers:
			if a.f.Refused || ctx.Err() == nil { // an acceptance after the time is none
				findings[a.n] = a.f
			}
		case <-ctx.Done():
			return verdict(s, findings)
		}
	}
	return verdict(s, findings)
}

// verdict adds the rule that a snapshot allows nothing.
func verdict(s Subject, findings []Finding) Verdict {
	if !s.Fresh {
		findings = append(findings, s.unknown(fresh{}, fmt.Sprintf("%s was not asked just now; a stored answer gives no permission", s.name()),
			s.evidence("snapshot")))
	}
	return Verdict{Findings: findings}
}

// judge asks one validator; a panic is a refusal.
func judge(ctx context.Context, v Validator, s Subject) (f Finding) {
	defer func() {
		if p := recover(); p != nil {
			f = s.unknown(v, fmt.Sprintf("the check %q on %s broke", v.Name(), s.name()), fmt.Sprint("panic: ", p))
		}
	}()
	f = v.Judge(ctx, s)
	if f.Validator == "" { // a zero finding is no answer
		return s.unknown(v, fmt.Sprintf("the check %q on %s gave no answer", v.Name(), s.name()), "empty finding")
	}
	return f
}

// fresh names the rule about snapshots among the findings.
type fresh struct{}

// Name implements Validator.
func (fresh) Name() string { return "fresh" }

// Judge implements Validator; the rule itself is in verdict, where no caller can leave it out.
func (v fresh) Judge(_ context.Context, s Subject) Finding {
	return s.accept(v, "", "")
}
