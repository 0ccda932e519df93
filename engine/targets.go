package engine

import (
	"mysql-recycler/engine/dbconn"
)

// Targets resolves what a person typed to configured servers. A name outside the configuration is
// refused here, before it is resolved on the network.
type Targets interface {
	// Find returns the cluster and, when the name is a server, its host. The error is a *Problem
	// with the nearest valid name.
	Find(name string) (Target, error)
	// Access returns how a cluster's servers are reached, or nil.
	Access(cluster string) *dbconn.Access
	// Names lists every valid name for suggestions.
	Names() []string
}

// Target is a resolved name.
type Target struct {
	Cluster  string
	Host     dbconn.Host // zero when the name is a cluster
	Settings ClusterSettings
}
