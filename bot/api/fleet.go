package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

// Fleet is what is known of all clusters; *bot.Bot knows it.
type Fleet interface {
	Clusters() []string
	// Reclaimable lists tables, biggest gain first; an empty cluster means all.
	Reclaimable(ctx context.Context, cluster string) ([]bot.Reclaimable, error)
	Schedules(ctx context.Context) ([]bot.Scheduled, error)
	// ChangeSchedule takes the chat's command schedule.
	ChangeSchedule(ctx context.Context, by approvals.Actor, channel, text string) (bot.Scheduled, error)
}

// Freed is what one day's rebuilds of a cluster gave back. Its fields are those of storage.Freed.
type Freed struct {
	Day     time.Time
	Cluster string
	Bytes   int64
	Tables  int64
}

// TableView is a table that a rebuild should make smaller.
type TableView struct {
	Cluster string `json:"cluster"`
	Host    string `json:"host"`
	Table   string `json:"table" example:"shop.orders"`
	Bytes   int64  `json:"bytes" doc:"On disk when it was looked at"`
	Predicted
	GainBytes int64     `json:"gain_bytes"`
	Method    string    `json:"method"`
	Seen      time.Time `json:"seen" doc:"When it was looked at"`
}

// FreedView is what one day's rebuilds of a cluster gave back.
type FreedView struct {
	Day     string `json:"day" format:"date"`
	Cluster string `json:"cluster"`
	Bytes   int64  `json:"bytes" doc:"Negative when tables grew"`
	Tables  int64  `json:"tables"`
}

// List is everything of a kind; there are no pages.
type List[T any] struct {
	Items []T `json:"items" nullable:"false"`
}

type listed[T any] struct{ Body List[T] }

func all[T any](items []T) *listed[T] {
	if items == nil {
		items = []T{}
	}
	return &listed[T]{List[T]{items}}
}

type listTables struct {
	Cluster string `query:"cluster" maxLength:"200" doc:"Left out: all"`
	Offset  int    `query:"offset" minimum:"0" doc:"How many to leave out: next_offset of the page before"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// TableList is a page of tables.
type TableList struct {
	Items []TableView `json:"items" nullable:"false"`
	Next  int         `json:"next_offset,omitempty" doc:"Left out on the last page"`
}

type listFreed struct {
	Days int `query:"days" minimum:"1" maximum:"400" default:"30"`
}

func (s *Server) fleetRoutes() {
	const tag = "fleet"
	add(s, huma.Operation{OperationID: "list-clusters", Method: http.MethodGet, Path: "/api/v1/clusters", Tags: []string{tag}, Summary: "Names of the clusters"}, Read,
		func(context.Context, *struct{}) (*listed[string], error) { return all(s.o.Fleet.Clusters()), nil })
	add(s, huma.Operation{OperationID: "list-tables", Method: http.MethodGet, Path: "/api/v1/tables", Tags: []string{tag},
		Summary: "Tables that a rebuild should make smaller, biggest gain first, from the newest look at each host"}, Read, s.listTables)
	add(s, huma.Operation{OperationID: "list-freed", Method: http.MethodGet, Path: "/api/v1/freed", Tags: []string{tag}, Summary: "Bytes given back by day and cluster"}, Read, s.listFreed)
}

func (s *Server) listTables(ctx context.Context, in *listTables) (*struct{ Body TableList }, error) {
	rows, err := s.o.Fleet.Reclaimable(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := TableList{Items: []TableView{}}
	rows = rows[min(len(rows), in.Offset):]
	if len(rows) > in.Limit {
		rows, out.Next = rows[:in.Limit], in.Offset+in.Limit
	}
	for _, t := range rows {
		out.Items = append(out.Items, TableView{Cluster: t.Cluster, Host: t.Host, Table: t.Key(), Bytes: t.FileBytes,
			Predicted: Predicted{PredictedBytes: t.FileBytes - t.Gain(), Low: t.Prediction.Low, High: t.Prediction.High, How: t.Prediction.How, Note: t.Prediction.Note}, GainBytes: t.Gain(), Method: string(t.Method.Kind), Seen: t.Seen.UTC()})
	}
	return &struct{ Body TableList }{out}, nil
}

func (s *Server) listFreed(ctx context.Context, in *listFreed) (*listed[FreedView], error) {
	today := time.Now().UTC().Truncate(24 * time.Hour)
	rows, err := s.o.Lists.Freed(ctx, today.AddDate(0, 0, 1-in.Days))
	if err != nil {
		return nil, err
	}
	var out []FreedView
	for _, r := range rows {
		out = append(out, FreedView{Day: r.Day.UTC().Format(time.DateOnly), Cluster: r.Cluster, Bytes: r.Bytes, Tables: r.Tables})
	}
	return all(out), nil
}

// drawn is a topology in a form of its own.
type drawn struct {
	newest
	Format string `query:"format" enum:"json,text,dot,png" default:"json"`
}

// topology answers the newest topology of a cluster as JSON, or drawn.
func (s *Server) topology(ctx context.Context, in *drawn) (*huma.StreamResponse, error) {
	d, err := s.newest(ctx, &in.newest)
	if err != nil {
		return nil, err
	}
	kind, b := "application/json", []byte(nil)
	switch in.Format {
	case "text":
		kind, b = "text/plain; charset=utf-8", []byte(d.Topology.Tree())
	case "dot":
		kind, b = "text/vnd.graphviz; charset=utf-8", []byte(d.Topology.DOT())
	case "png":
		kind = "image/png"
		b, err = d.Topology.PNG()
	default:
		b, err = json.Marshal(d.Topology)
	}
	if err != nil {
		return nil, fmt.Errorf("draw the topology: %w", err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", kind)
		c.SetHeader("Content-Length", strconv.Itoa(len(b)))
		_, _ = c.BodyWriter().Write(b) // the caller is gone
	}}, nil
}
