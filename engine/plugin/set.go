package plugin

import (
	"slices"

	"go.uber.org/zap"

	"mysql-recycler/engine/guard"
)

// Set are the plugins of a configuration. It never changes. A nil Set has none.
type Set struct {
	all      []*Plugin
	clusters map[string][]string // by plugin; none: all clusters
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{clusters: map[string][]string{}} }

// Add puts a plugin into the set, for these clusters or, without any, for all.
func (s *Set) Add(spec Spec, log *zap.Logger, clusters ...string) {
	s.all = append(s.all, New(spec, log))
	s.clusters[spec.Name] = clusters
}

// All lists the plugins in the order of their configuration.
func (s *Set) All() []*Plugin {
	if s == nil {
		return nil
	}
	return s.all
}

// Get finds a plugin of a kind by its name; nil: there is none.
func (s *Set) Get(kind Kind, name string) *Plugin {
	for _, p := range s.All() {
		if p.Kind == kind && p.Name == name {
			return p
		}
	}
	return nil
}

// Of lists the names of a cluster's plugins of a kind.
func (s *Set) Of(kind Kind, cluster string) (names []string) {
	for _, p := range s.All() {
		only := s.clusters[p.Name]
		if p.Kind == kind && (len(only) == 0 || slices.Contains(only, cluster)) {
			names = append(names, p.Name)
		}
	}
	return names
}

// Validators are a cluster's validators for its guard.
func (s *Set) Validators(cluster string) (out []guard.Validator) {
	for _, name := range s.Of(Validator, cluster) {
		out = append(out, s.Get(Validator, name).AsValidator())
	}
	return out
}
