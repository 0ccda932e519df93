package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

// Workers is the processes that work and the regions they work, by the rules of the chat; *bot.Bot
// knows them.
type Workers interface {
	Nodes(ctx context.Context) ([]bot.Node, error)
	Regions(ctx context.Context) ([]bot.Region, error)
	HoldNode(ctx context.Context, by approvals.Actor, name string, drain bool) (news bool, err error)
	HoldRegion(ctx context.Context, by approvals.Actor, region string, pause bool) (news bool, err error)
}

// NodeView is a process that shares the database.
type NodeView struct {
	Name    string    `json:"name" example:"worker-1"`
	State   string    `json:"state" enum:"up,draining,drained,gone"`
	Running int       `json:"running" doc:"Jobs"`
	Roles   string    `json:"roles" example:"bot,worker"`
	Regions string    `json:"regions" doc:"That it works; empty: none" example:"eu,us"`
	Version string    `json:"version"`
	Seen    time.Time `json:"seen" doc:"When it last said that it is alive"`
}

// RegionView is a region with the clusters in it.
type RegionView struct {
	Name     string     `json:"name" doc:"- for clusters without a region" example:"eu"`
	Clusters []string   `json:"clusters" nullable:"false"`
	Paused   *PauseView `json:"paused,omitempty" doc:"Left out while it takes work"`
}

// PauseView says who wants no job started in a region.
type PauseView struct {
	By     Person    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// NodePath names a node in a path.
type NodePath struct {
	Name string `path:"name" maxLength:"200" example:"worker-1"`
}

// RegionPath names a region in a path.
type RegionPath struct {
	Name string `path:"name" maxLength:"200" example:"eu"`
}

type oneRegion struct{ Body RegionView }

func (s *Server) workerRoutes() {
	const nodes, regions = "/api/v1/nodes", "/api/v1/regions"
	tags := []string{"workers"}
	add(s, huma.Operation{OperationID: "list-nodes", Method: http.MethodGet, Path: nodes, Tags: tags, Summary: "Processes that share the database"}, Operate,
		func(ctx context.Context, _ *struct{}) (*listed[NodeView], error) {
			if _, err := s.person(ctx); err != nil {
				return nil, err
			}
			return s.listNodes(ctx, "")
		})
	add(s, huma.Operation{OperationID: "list-regions", Method: http.MethodGet, Path: regions, Tags: tags, Summary: "Regions, and who paused them"}, Operate,
		func(ctx context.Context, _ *struct{}) (*listed[RegionView], error) {
			if _, err := s.person(ctx); err != nil {
				return nil, err
			}
			rows, err := s.listRegions(ctx)
			return all(rows), err
		})
	const mayNode = " Only approvers of a cluster in a region it works may."
	for verb, about := range map[string][2]string{
		"drain": {"Let a node take no work and hand over what it runs", "It stays drained, also over restarts. Answers at once with the processes of that name; " +
			"one can be stopped when it is shown as drained some seconds later." + mayNode},
		"undrain": {"Let a node take work again", "Answers with the processes of that name." + mayNode},
	} {
		add(s, huma.Operation{OperationID: verb + "-node", Method: http.MethodPost, Path: nodes + "/{name}/" + verb, Tags: tags, Summary: about[0], Description: about[1]}, Operate,
			func(ctx context.Context, in *NodePath) (*listed[NodeView], error) {
				if err := s.hold(ctx, "node: "+verb, in.Name, verb == "drain", s.o.Workers.HoldNode); err != nil {
					return nil, err
				}
				return s.listNodes(ctx, in.Name)
			})
	}
	for verb, summary := range map[string]string{"pause": "Start no job in a region; running ones go on", "resume": "Start jobs in a region again"} {
		add(s, huma.Operation{OperationID: verb + "-region", Method: http.MethodPost, Path: regions + "/{name}/" + verb, Tags: tags, Summary: summary,
			Description: "Only approvers of a cluster there may."}, Operate,
			func(ctx context.Context, in *RegionPath) (*oneRegion, error) {
				if err := s.hold(ctx, "region: "+verb, in.Name, verb == "pause", s.o.Workers.HoldRegion); err != nil {
					return nil, err
				}
				return s.region(ctx, in.Name)
			})
	}
}

// hold changes a hold in the name of the caller's person.
func (s *Server) hold(ctx context.Context, what, name string, on bool, f func(context.Context, approvals.Actor, string, bool) (bool, error)) error {
	by, err := s.person(ctx)
	if err != nil {
		return err
	}
	news, err := f(s.o.Fresh(ctx), by, name, on)
	if err == nil && news {
		s.told(ctx, what, name, by)
	}
	return err
}

// listNodes lists the processes of a name; empty: all.
func (s *Server) listNodes(ctx context.Context, name string) (*listed[NodeView], error) {
	rows, err := s.o.Workers.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var out []NodeView
	for _, n := range rows {
		if name == "" || n.Name == name {
			out = append(out, NodeView{Name: n.Name, State: n.State, Running: n.Running, Roles: n.Roles, Regions: n.Regions, Version: n.Version, Seen: n.Seen.UTC()})
		}
	}
	return all(out), nil
}

func (s *Server) listRegions(ctx context.Context) ([]RegionView, error) {
	rows, err := s.o.Workers.Regions(ctx)
	if err != nil {
		return nil, err
	}
	var out []RegionView
	for _, r := range rows {
		v := RegionView{Name: r.Name, Clusters: r.Clusters}
		if p := r.Paused; p != nil {
			v.Paused = &PauseView{By: personOf(p.By), Reason: p.Reason, At: p.At.UTC()}
		}
		out = append(out, v)
	}
	return out, nil
}

// region answers one region as it is now.
func (s *Server) region(ctx context.Context, name string) (*oneRegion, error) {
	rows, err := s.listRegions(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(rows, func(r RegionView) bool { return r.Name == name })
	if at < 0 { // the configuration was read again meanwhile
		return nil, refuse(http.StatusNotFound, "no_region", "No cluster is in this region.", "")
	}
	return &oneRegion{rows[at]}, nil
}
