package engine

import (
	"time"

	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
	"mysql-recycler/engine/topology"
)

// ClusterSettings are a cluster's defaults and permissions, from the configuration. They enter a
// plan when it is made and are frozen there.
type ClusterSettings struct {
	Environment string // shown on cards; "production" asks for a confirm dialog
	Region      string // queue of the workers that can reach it
	Mode        rebuild.Mode
	Limits      throttle.Limits
	LockWait    time.Duration
	Parallel    int
	MinServing  int
	MinGain     int64   // bytes below which a table is not offered
	MinShare    float64 // share of the file below which a table is not offered
	Tolerance   float64
	SnapshotAge time.Duration // older discoveries make no plan
	Policy      Policy
	Heartbeat   topology.Heartbeat
	Bounds      Bounds
	Plugins     PluginPlan // those that take part in every plan
}
