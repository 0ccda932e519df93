package engine

import (
	"fmt"
	"time"

	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/topology"
)

// Single partitions are rebuilt in place of the whole table when they give back at least partsGain of
// what the whole table would, and at most partsBytes of what its rebuild would write is written.
const (
	partsGain  = 0.8
	partsBytes = 0.5
)

// partRate is how fast a partition is written, in bytes per second. Row by row it took half as long
// again as building a table anew (83 beside 125 MiB/s on MySQL 9.7, 88 beside 136 on MariaDB 10.11).
const partRate = assumedRate * 2 / 3

// parts are the steps of a partitioned table whose partitions are better rebuilt one by one: where a
// few of them hold nearly all there is to gain, or where the disk has no room for the whole table but
// for each of them. None: it is taken as a whole. Since writes to the table wait for a partition
// (rebuild.ChoosePartition), the plan must allow that, unless the applier is stopped anyway; on a
// primary, where it would be the application that waits, it is never done. With Policy.CheckRows the
// rows of each partition are counted, not those of the table.
func (p *Planner) parts(s PlanSpec, in topology.Instance, h HostInventory, t TableReport) []PlannedStep {
	policy := policyOf(s)
	m := policy.counted(rebuild.ChoosePartition(in.Version, t.Table, policy.methods(in.Role)))
	if t.Method.Kind != rebuild.Alter || m.Kind != rebuild.Alter || m.Blocks() && !policy.AllowCopy || in.Role == topology.RolePrimary {
		return nil
	}
	minGain, minShare := atLeast(s)
	var worth []tablespace.Part
	var gain, written, biggest int64
	for _, part := range t.Prediction.Parts {
		if !part.Worth(t.Table, minGain, minShare) {
			continue
		}
		worth = append(worth, part)
		gain, written, biggest = gain+part.Bytes-part.Predicted, written+part.Predicted, max(biggest, part.High)
	}
	pays := float64(gain) >= partsGain*float64(t.Gain()) && float64(written) <= partsBytes*float64(t.Prediction.Bytes)
	reserve := p.frame(s).Limits.DiskFree
	only := h.Free.Data > 0 && h.Free.Data < t.Prediction.High+reserve && h.Free.Data >= biggest+reserve
	if len(worth) == 0 || !pays && !only {
		return nil
	}
	m.Reason = fragmented(len(worth), t.Prediction.PartsOf) + "; " + m.Reason
	var steps []PlannedStep
	for _, part := range worth {
		work := time.Duration(float64(part.Predicted+part.Bytes/4) / partRate * float64(time.Second)).Round(time.Second)
		steps = append(steps, PlannedStep{
			Schema: t.Schema, Table: t.Name, Partition: part.Name, Method: m, Bytes: part.Bytes,
			Predicted: part.Predicted, Low: part.Low, High: part.High,
			How: t.Prediction.How, Note: t.Prediction.Note, Estimate: stepOverhead + work,
		})
	}
	return steps
}

// fragmented says how many partitions are rebuilt by themselves.
func fragmented(n, of int) string {
	if n == 1 {
		return fmt.Sprintf("1 of %d partitions is fragmented, and it alone is rebuilt", of)
	}
	return fmt.Sprintf("%d of %d partitions are fragmented, and each is rebuilt by itself", n, of)
}

// Name is what a step rebuilds as people write it: schema.table, or schema.table (partition).
func (s PlannedStep) Name() string {
	if s.Partition == "" {
		return s.TableName()
	}
	return s.TableName() + " (" + s.Partition + ")"
}

// TableName is the table of a step, schema.table. Steps of several partitions of a table share it.
func (s PlannedStep) TableName() string { return s.Schema + "." + s.Table }
