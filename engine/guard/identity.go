package guard

import (
	"context"
	"fmt"
	"strings"
)

// identity refuses a server that is not the one that was approved: a moved address, a proxy, a
// machine that was set up again under its old name.
type identity struct{}

// Name implements Validator.
func (identity) Name() string { return "identity" }

// Judge implements Validator.
func (v identity) Judge(_ context.Context, s Subject) Finding {
	i := s.Instance
	evidence := s.evidence("identity %s, approved %s", orNone(string(i.Identity)), orNone(string(s.Expect.Identity)))
	if s.Expect.Identity != "" && i.Identity != "" && i.Identity != s.Expect.Identity {
		return s.refuse(v, fmt.Sprintf("%s is another server than the one approved", s.name()), evidence)
	}
	if len(i.Missing) > 0 {
		return s.unknown(v, fmt.Sprintf("%s could not be looked at completely: %s", s.name(), strings.Join(i.Missing, "; ")), evidence)
	}
	if i.Identity == "" {
		return s.unknown(v, fmt.Sprintf("%s does not say which server it is", s.name()), evidence)
	}
	if s.Fresh && s.Expect.Identity == "" {
		return s.unknown(v, fmt.Sprintf("no plan says which server %s has to be", s.name()), evidence)
	}
	if _, ok := s.Topology.ByIdentity(i.Identity); !ok {
		return s.unknown(v, fmt.Sprintf("%s is not in the newest topology of %s", s.name(), orNone(s.Topology.Cluster)), evidence)
	}
	return s.accept(v, fmt.Sprintf("%s is the server that was approved", s.name()), evidence)
}

// orNone is s, or a word for its absence.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
