package guard

import (
	"context"
	"fmt"
)

// readOnly refuses a server that accepts writes.
type readOnly struct{}

// Name implements Validator.
func (readOnly) Name() string { return "read_only" }

// Judge implements Validator. Settings are the first that a server tells; what it leaves unsaid after
// them does not make it less writable.
func (v readOnly) Judge(_ context.Context, s Subject) Finding {
	switch {
	case !s.Instance.Told():
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows whether it accepts writes", s.name()), s.Instance.Unreached)
	case s.Instance.State.ReadOnly && !s.Instance.Reached:
		return s.unknown(v, fmt.Sprintf("%s said read_only=1 and then nothing more", s.name()), s.evidence("read_only=1"))
	case s.Instance.State.ReadOnly:
		return s.accept(v, fmt.Sprintf("%s accepts no writes (read_only=1)", s.name()), s.evidence("read_only=1"))
	}
	sentence := fmt.Sprintf("%s accepts writes (read_only=0)", s.name())
	if s.primaryAllowed() {
		return s.accept(v, sentence+", which the cluster's policy allows", s.evidence("read_only=0"))
	}
	return s.promoted(v, sentence, s.evidence("read_only=0"))
}
