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

// PlannedStepView is one table of a plan.
type PlannedStepView struct {
	Host            string  `json:"host"`
	Table           string  `json:"table" example:"shop.orders"`
	Method          string  `json:"method"`
	Bytes           int64   `json:"bytes" doc:"On disk when it was looked at"`
	PredictedBytes  int64   `json:"predicted_bytes" doc:"After the rebuild"`
	EstimateSeconds float64 `json:"estimate_seconds"`
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
	v := PlannedView{Cluster: p.Cluster, PlanView: viewPlan(p.Summary()), Steps: []PlannedStepView{}, Left: []LeftView{}}
	for _, h := range p.Hosts {
		for _, st := range h.Steps {
			v.Steps = append(v.Steps, PlannedStepView{Host: h.Name, Table: st.Schema + "." + st.Table, Method: string(st.Method.Kind),
				Bytes: st.Bytes, PredictedBytes: st.Predicted, EstimateSeconds: st.Estimate.Seconds()})
		}
	}
	for _, l := range p.Left {
		v.Left = append(v.Left, LeftView{Host: l.Name, Reason: l.Reason})
	}
	return v
}
