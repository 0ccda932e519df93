package guard

import (
	"context"
	"fmt"
)

// sourceless refuses a server that others replicate from while it replicates from nobody: the
// oldest sign of a primary, and one that read_only cannot hide.
type sourceless struct{}

// Name implements Validator.
func (sourceless) Name() string { return "sourceless" }

// Judge implements Validator. The replicas the server itself lists count, and those that the walk
// saw replicating from it.
func (v sourceless) Judge(_ context.Context, s Subject) Finding {
	if !s.Instance.Reached {
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows whether it has replicas", s.name()), s.Instance.Unreached)
	}
	sources := 0
	for _, l := range s.Instance.Links {
		if l.Configured() {
			sources++
		}
	}
	replicas := max(len(liveReplicas(s.Instance)), len(s.Topology.Downstream(s.Instance.Identity)))
	evidence := s.evidence("%d sources, %d replicas", sources, replicas)
	switch {
	case sources > 0:
		return s.accept(v, fmt.Sprintf("%s has a source and %s", s.name(), count(replicas, "replica")), evidence)
	case replicas == 0:
		return s.accept(v, fmt.Sprintf("%s has no source and no replicas", s.name()), evidence)
	}
	sentence := fmt.Sprintf("%s has no replication source and %s", s.name(), count(replicas, "replica"))
	if s.primaryAllowed() {
		return s.accept(v, sentence+", which the cluster's policy allows", evidence)
	}
	return s.promoted(v, sentence, evidence)
}

// count is "1 replica", "2 replicas".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
