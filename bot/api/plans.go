package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"mysql-recycler/engine"
)

// PlannedView is a plan that nobody has asked for yet, table by table.
type PlannedView struct {
	Cluster string `json:"cluster"`
	PlanView
	Steps []PlannedStepView `json:"steps" nullable:"false"`
	Left  []LeftView        `json:"left_out" nullable:"false" doc:"Hosts of the cluster that would be left alone"`
}

// PlannedStepView is one table of a plan, or one partition of it.
type PlannedStepView struct {
	Host         string `json:"host"`
	Table        string `json:"table" example:"shop.orders" doc:"As schema.table, and the partition in brackets where it alone is rebuilt"`
	Partition    string `json:"partition,omitempty" doc:"Which alone is rebuilt; without it the whole table"`
	Method       string `json:"method"`
	Reason       string `json:"reason,omitempty" doc:"Why it is rebuilt so"`
	StopsReplica bool   `json:"stops_replication,omitempty" doc:"Replication of the host stops for as long as the table takes"`
	Bytes        int64  `json:"bytes" doc:"On disk when it was looked at"`
	Predicted
	EstimateSeconds float64 `json:"estimate_seconds"`
}

// Predicted is the size after a rebuild, with how sure that is.
type Predicted struct {
	PredictedBytes int64  `json:"predicted_bytes" doc:"After the rebuild"`
	Low            int64  `json:"predicted_low_bytes"`
	High           int64  `json:"predicted_high_bytes"`
	How            string `json:"predicted_how" enum:"sampled+count,sampled,statistics,used_pages,none" doc:"How the prediction was found"`
	Note           string `json:"predicted_note,omitempty" doc:"What makes it uncertain"`
}

// LeftTableView is a table that a plan leaves alone.
type LeftTableView struct {
	Host   string `json:"host"`
	Table  string `json:"table"`
	Bytes  int64  `json:"bytes" doc:"On disk when it was looked at"`
	Reason string `json:"reason"`
}

// LeftView is a host that a plan leaves alone.
type LeftView struct {
	Host   string `json:"host"`
	Reason string `json:"reason"`
}

type previewPlan struct {
	Body struct {
		Command string `json:"command" minLength:"1" maxLength:"3000" doc:"As typed in the chat" example:"plan db-prod-3 --schema shop"`
	}
}

func (s *Server) planRoutes() {
	add(s, huma.Operation{OperationID: "preview-plan", Method: http.MethodPost, Path: "/api/v1/plans", Tags: []string{"requests"}, Summary: "Show what run would do",
		Description: "Made from the newest approved discovery; touches no host, asks nobody and stores nothing."}, Read,
		func(ctx context.Context, in *previewPlan) (*struct{ Body PlannedView }, error) {
			p, err := s.o.Talk.Preview(ctx, in.Body.Command)
			if err != nil {
				return nil, err
			}
			return &struct{ Body PlannedView }{ViewPlanned(p)}, nil
		})
}

// ViewPlanned makes the view of a plan.
func ViewPlanned(p engine.Plan) PlannedView {
	v := PlannedView{Cluster: p.Cluster, PlanView: viewPlan(p.Summary()), Left: []LeftView{}}
	v.Steps, v.LeftTables = viewTables(p)
	for _, l := range p.Left {
		v.Left = append(v.Left, LeftView{Host: l.Name, Reason: l.Reason})
	}
	return v
}

// viewTables makes the views of a plan's tables and of those it leaves alone.
func viewTables(p engine.Plan) ([]PlannedStepView, []LeftTableView) {
	steps := []PlannedStepView{}
	var left []LeftTableView
	for _, h := range p.Hosts {
		for _, st := range h.Steps {
			steps = append(steps, PlannedStepView{Host: h.Name, Table: st.Name(), Partition: st.Partition, Method: string(st.Method.Kind), Reason: st.Method.Reason,
				StopsReplica: st.Method.Blocks() || st.Method.StopSQL, Bytes: st.Bytes, EstimateSeconds: st.Estimate.Seconds(),
				Predicted: Predicted{PredictedBytes: st.Predicted, Low: st.Low, High: st.High, How: st.How, Note: st.Note}})
		}
		for _, t := range h.Alone {
			left = append(left, LeftTableView{Host: h.Name, Table: t.Schema + "." + t.Table, Bytes: t.Bytes, Reason: t.Reason})
		}
	}
	return steps, left
}
