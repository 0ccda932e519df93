package guard

import (
	"context"
	"fmt"
)

// readOnly refuses a server that accepts writes.
type readOnly struct{}

// Name implements Validator.
func (readOnly) Name() string { return "read_only" }

// Judge implements Validator.
func (v readOnly) Judge(_ context.Context, s Subject) Finding {
	if !s.Instance.Reached {
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows whether it accepts writes", s.name()), s.Instance.Unreached)
	}
	if s.Instance.State.ReadOnly {
		return s.accept(v, fmt.Sprintf("%s accepts no writes (read_only=1)", s.name()), s.evidence("read_only=1"))
	}
	sentence := fmt.Sprintf("%s accepts writes (read_only=0)", s.name())
	if s.primaryAllowed() {
		return s.accept(v, sentence+", which the cluster's policy allows", s.evidence("read_only=0"))
	}
	return s.refuse(v, sentence, s.evidence("read_only=0"))
}
