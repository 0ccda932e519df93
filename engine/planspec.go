package engine

import (
	"time"

	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
)

// PlanSpec is what a person asked for. Zero values mean the cluster's settings.
type PlanSpec struct {
	Target    Target
	Filter    tablespace.Filter
	Mode      rebuild.Mode
	MinGain   int64
	MinShare  float64
	Parallel  int
	MaxLag    time.Duration
	Window    Window    // narrows the cluster's; without days it has the cluster's, without zone the cluster's
	Until     time.Time // no table is started that is not expected to end by then; zero: any time
	CheckRows bool      // Policy.CheckRows for this plan, also where the cluster's policy does not ask for it
	Rest      *Rest     // only what an ended request left undone; nil: everything that is worth it
}
