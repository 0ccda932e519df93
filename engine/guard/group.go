package guard

import (
	"context"
	"fmt"
)

// group refuses members of Group Replication, Galera and shared storage: there a statement with the
// binary log off is not confined to one server, or a rebuild of one copy has no meaning.
type group struct{}

// Name implements Validator.
func (group) Name() string { return "group" }

// Judge implements Validator.
func (v group) Judge(_ context.Context, s Subject) Finding {
	if !s.Instance.Reached {
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows whether it is in a group", s.name()), s.Instance.Unreached)
	}
	if s.Instance.Group != "" {
		return s.refuse(v, fmt.Sprintf("%s is a member of a group (%s); groups are not rebuilt", s.name(), s.Instance.Group), s.evidence("%s", s.Instance.Group))
	}
	return s.accept(v, fmt.Sprintf("%s is in no group", s.name()), s.evidence("no group"))
}
