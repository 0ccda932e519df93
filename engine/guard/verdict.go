package guard

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict is what all validators together say. Allowed is true only if every validator was heard
// and none refused.
type Verdict struct {
	Findings []Finding `json:"findings"`
}

// Allowed reports whether at least one validator was heard and none refused. Ask gives every
// validator a finding, so a silent one is a refusal.
func (v Verdict) Allowed() bool {
	for _, f := range v.Findings {
		if f.Refused {
			return false
		}
	}
	return len(v.Findings) > 0
}

// Reasons are the sentences of all refusals, in the order of the validators.
func (v Verdict) Reasons() []string {
	var out []string
	for _, f := range v.Findings {
		if f.Refused {
			out = append(out, f.Sentence)
		}
	}
	return out
}

// Promoted reports whether some refusal says that the server looks like a primary: it takes writes or
// wrote of its own, has no source, has replicas that are new, or another system calls it one. Other
// refusals with a cause (another server, a group, a receiver that stopped, a plugin) say what they say.
func (v Verdict) Promoted() bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Refused && f.Promotion })
}

// Changed is what a person reads of why a statement was stopped: the refusals with a cause, or, where
// there is none, what could not be learned.
func (v Verdict) Changed() string {
	var known, unknown []string
	for _, f := range v.Findings {
		switch {
		case f.Refused && !f.Unknown:
			known = append(known, f.Sentence)
		case f.Refused:
			unknown = append(unknown, f.Sentence)
		}
	}
	if len(known) == 0 {
		known = unknown
	}
	return strings.Join(known, "; ")
}

// Known reports whether some refusal has a cause, beside what could not be learned.
func (v Verdict) Known() bool {
	for _, f := range v.Findings {
		if f.Refused && !f.Unknown {
			return true
		}
	}
	return false
}

// Lasting are the refusals that may be said again for a while: those with a cause that lies in the
// server. What merely could not be learned may be known in the next moment, and errant GTIDs depend
// on what is asked for.
func (v Verdict) Lasting() Verdict {
	var out Verdict
	for _, f := range v.Findings {
		if f.Refused && !f.Unknown && f.Validator != (errant{}).Name() {
			out.Findings = append(out.Findings, f)
		}
	}
	return out
}

// Err is nil if allowed, else a *Refused with the verdict.
func (v Verdict) Err() error {
	if v.Allowed() {
		return nil
	}
	return &Refused{Verdict: v}
}

// Refused says that the guard does not let a server be touched.
type Refused struct {
	Host    string // name of the server, empty if the caller did not say
	Verdict Verdict
}

// Error implements error.
func (r *Refused) Error() string { return "refused by the guard: " + strings.Join(r.reasons(), "; ") }

// Sentence says it to people; the first reason stands for all, the card lists them.
func (r *Refused) Sentence() string {
	reasons := r.reasons()
	if len(reasons) == 1 {
		return fmt.Sprintf("Refused: %s.", reasons[0])
	}
	return fmt.Sprintf("Refused for %d reasons: %s.", len(reasons), strings.Join(reasons, "; "))
}

// Hint says what to do.
func (r *Refused) Hint() string {
	return "Nothing was run. If the server's role is not what you expect, discover the cluster again."
}

// reasons are the refusals, or a word for a verdict in which nobody was heard.
func (r *Refused) reasons() []string {
	if reasons := r.Verdict.Reasons(); len(reasons) > 0 {
		return reasons
	}
	return []string{"no check was heard"}
}
