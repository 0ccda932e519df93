package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"mysql-recycler/engine"
)

// EventList is a stretch of the event log.
type EventList struct {
	Items []EventView `json:"items" nullable:"false"`
	Next  int64       `json:"next" doc:"Give this as after to go on"`
	Last  int64       `json:"last" doc:"Number of the newest event: give this as after to hear only of what comes"`
}

// EventView is one fact. It is what the WebSocket sends too.
type EventView struct {
	engine.Event
}

// Schema implements huma.SchemaProvider: data has a shape for each kind.
func (EventView) Schema(r huma.Registry) *huma.Schema {
	str := &huma.Schema{Type: huma.TypeString}
	num := &huma.Schema{Type: huma.TypeInteger}
	return &huma.Schema{Type: huma.TypeObject, Required: []string{"seq", "at", "kind"}, Properties: map[string]*huma.Schema{
		"seq": num, "at": {Type: huma.TypeString, Format: "date-time"},
		"kind":       {Type: huma.TypeString, Examples: []any{"table.processed"}},
		"request_id": str, "job_id": str, "step": num,
		"actor": {Type: huma.TypeString, Description: "Chat user id; left out: the engine"},
		"data":  {Description: "What belongs to the kind"},
	}}
}

type listEvents struct {
	After int64    `query:"after" minimum:"0" doc:"Number of the last event that is known"`
	Limit int      `query:"limit" minimum:"1" maximum:"1000" default:"200"`
	Job   string   `query:"job" maxLength:"60" doc:"Only events of this job; next still counts all"`
	Req   string   `query:"request" maxLength:"40" doc:"Only events of this request"`
	Kinds []string `query:"kind" maxItems:"50" doc:"Only events of these kinds, comma separated" example:"job.started,table.processed"`
}

// Body is what a stored discovery or topology is: JSON as it was stored.
type Body json.RawMessage

// MarshalJSON implements json.Marshaler.
func (b Body) MarshalJSON() ([]byte, error) { return b, nil }

// Schema implements huma.SchemaProvider.
func (Body) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

type stored struct{ Body Body }

type newest struct {
	Cluster string `query:"cluster" maxLength:"200" doc:"Left out: any"`
	Host    string `query:"host" maxLength:"200" doc:"One that looked at this host's tables"`
}

func (s *Server) factRoutes() {
	add(s, huma.Operation{OperationID: "list-events", Method: http.MethodGet, Path: eventsPath, Tags: []string{"events"}, Summary: "Read the event log",
		Description: "Asked for an upgrade to a WebSocket, the same address sends one event a message as they happen, from after on or from now on, with the same filters."}, Read, s.listEvents)
	add(s, huma.Operation{OperationID: "newest-discovery", Method: http.MethodGet, Path: "/api/v1/discoveries/newest", Tags: []string{"discoveries"},
		Summary: "The newest look at a cluster: topology, tables and predictions"}, Read, func(ctx context.Context, in *newest) (*stored, error) {
		d, err := s.newest(ctx, in)
		return body(d, err)
	})
	add(s, huma.Operation{OperationID: "get-discovery", Method: http.MethodGet, Path: "/api/v1/discoveries/{id}", Tags: []string{"discoveries"},
		Summary: "The look that a request made"}, Read, func(ctx context.Context, in *RequestPath) (*stored, error) {
		d, err := s.o.Facts.Discovery(ctx, in.ID)
		if errors.Is(err, engine.ErrNotFound) {
			return nil, noDiscovery()
		}
		return body(d, err)
	})
	add(s, huma.Operation{OperationID: "newest-topology", Method: http.MethodGet, Path: "/api/v1/topologies/newest", Tags: []string{"discoveries"},
		Summary: "The topology of the newest look at a cluster, as JSON or drawn"}, Read, s.topology)
}

func noDiscovery() error {
	return refuse(http.StatusNotFound, "no_discovery", "There is no such discovery.", "Ask for one: discover HOST")
}

func (s *Server) newest(ctx context.Context, in *newest) (engine.Discovery, error) {
	d, err := s.o.Facts.NewestDiscovery(ctx, in.Cluster, in.Host)
	if errors.Is(err, engine.ErrNotFound) {
		return d, noDiscovery()
	}
	return d, err
}

func body(v any, err error) (*stored, error) {
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(v)
	return &stored{b}, err
}

func (s *Server) listEvents(ctx context.Context, in *listEvents) (*struct{ Body EventList }, error) {
	es, err := s.o.Events.EventsAfter(ctx, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	last, err := s.o.Events.LastEvent(ctx)
	if err != nil {
		return nil, err
	}
	out := EventList{Items: []EventView{}, Next: in.After, Last: last}
	for _, e := range es {
		out.Next = e.Seq
		if wanted(e, in.Job, in.Req, in.Kinds) {
			out.Items = append(out.Items, EventView{e})
		}
	}
	return &struct{ Body EventList }{out}, nil
}
