package api

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
)

// A plan over the API says how sure its predictions are, why its tables are rebuilt as they are, and
// which are left alone.
func TestViewPlannedSaysWhy(t *testing.T) {
	t.Parallel()
	p := engine.Plan{Cluster: "shop", Hosts: []engine.HostPlan{{Name: "db-3",
		Steps: []engine.PlannedStep{{Schema: "shop", Table: "orders", Bytes: 84, Predicted: 48, Low: 46, High: 50, How: "sampled", Note: "so so",
			Method: rebuild.Method{Kind: rebuild.Alter, Algorithm: rebuild.Copy, Lock: rebuild.LockShared, Reason: "FULLTEXT"}}},
		Alone: []engine.LeftTable{{Schema: "shop", Table: "old", Bytes: 9, Reason: "shared tablespace"}},
	}}}
	raw, err := json.Marshal(ViewPlanned(p))
	require.NoError(t, err)
	var got struct {
		Steps []map[string]any `json:"steps"`
		Left  []map[string]any `json:"left_tables"`
	}
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Equal(t, map[string]any{"host": "db-3", "table": "shop.orders", "method": "alter", "reason": "FULLTEXT", "stops_replication": true, "bytes": 84.0,
		"predicted_bytes": 48.0, "predicted_low_bytes": 46.0, "predicted_high_bytes": 50.0, "predicted_how": "sampled", "predicted_note": "so so",
		"estimate_seconds": 0.0}, got.Steps[0])
	require.Equal(t, []map[string]any{{"host": "db-3", "table": "shop.old", "bytes": 9.0, "reason": "shared tablespace"}}, got.Left)
}

// Where one partition is rebuilt by itself the name says so, and a field for machines.
func TestViewPartitions(t *testing.T) {
	t.Parallel()
	st := engine.PlannedStep{Schema: "shop", Table: "events", Partition: "p2024_01"}
	p := ViewPlanned(engine.Plan{Hosts: []engine.HostPlan{{Name: "db-3", Steps: []engine.PlannedStep{st}}}})
	require.Equal(t, []string{"shop.events (p2024_01)", "p2024_01"}, []string{p.Steps[0].Table, p.Steps[0].Partition})
	v := viewStep(engine.Step{Plan: st})
	require.Equal(t, []string{"shop.events (p2024_01)", "p2024_01"}, []string{v.Table, v.Partition})
}

// What older plans hold has the digest it had when it was approved.
func TestOldPlansKeepTheirDigest(t *testing.T) {
	t.Parallel()
	old := engine.Plan{Cluster: "shop", Hosts: []engine.HostPlan{{Name: "db-3", Steps: []engine.PlannedStep{{Schema: "shop", Table: "orders", Bytes: 84}}}}}
	raw, err := json.Marshal(old)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "alone")
	require.NotContains(t, string(raw), "note")
}
