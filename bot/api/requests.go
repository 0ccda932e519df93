package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// add registers one operation: its scope is checked, its errors are problems, its body is bounded.
func add[I, O any](s *Server, op huma.Operation, need Scope, f func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes = s.o.Tuning.MaxBody
	if need != "" {
		op.Security = []map[string][]string{{"token": {}}}
		op.Description += "\n\nNeeds the scope " + string(need) + "."
		op.Middlewares = append(op.Middlewares, s.scoped(need))
	}
	op.Responses = map[string]*huma.Response{"default": {Description: "Problem", Content: map[string]*huma.MediaType{
		problemType: {Schema: s.doc.OpenAPI().Components.Schemas.Schema(typeOf[Problem](), true, "Problem")}}}}
	huma.Register(s.doc, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := f(ctx, in)
		if err == nil {
			return out, nil
		}
		p := s.problem(err)
		if p.Status == http.StatusServiceUnavailable {
			return nil, huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"5"}})
		}
		return nil, p
	})
}

// scoped is guard as huma wants it.
func (s *Server) scoped(need Scope) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := unwrap(c)
		t, err := s.admit(r, need)
		if err != nil {
			p := s.problem(err)
			challenge(w.Header(), p)
			p.write(w)
			return
		}
		next(huma.WithContext(c, calledBy(c.Context(), t)))
	}
}

// told is a log line of a call that changed something.
func (s *Server) told(ctx context.Context, what, id string, by approvals.Actor) {
	t := callerOf(ctx)
	s.o.Log.Info("changed through the API", zap.String("what", what), zap.String("id", id), zap.String("person", by.ID),
		zap.String("token", t.ID), zap.String("token_name", t.Name))
}

type oneRequest struct{ Body RequestView }

// RequestPath names a request in a path. Embedded types are exported, or huma would not fill them.
type RequestPath struct {
	ID string `path:"id" maxLength:"40" example:"R-7QK2"`
}

type listRequests struct {
	Paging
	State     string `query:"state" enum:"pending,approved,denied,expired,withdrawn,superseded"`
	Cluster   string `query:"cluster" maxLength:"200"`
	Target    string `query:"target" maxLength:"200"`
	Requester string `query:"requester" maxLength:"40" doc:"Chat user id"`
}

// RequestList is a page of requests.
type RequestList struct {
	Items      []RequestView `json:"items" nullable:"false"`
	NextCursor string        `json:"next_cursor,omitempty" doc:"Left out on the last page"`
}

type createRequest struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"A repeated call with the same key gets what the first one made"`
	Body struct {
		Command string `json:"command" minLength:"1" maxLength:"3000" doc:"As typed in the chat" example:"run db-prod-3 --table shop.orders"`
		Channel string `json:"channel,omitempty" maxLength:"40" doc:"Where the card goes; left out: the cluster's channel"`
	}
}

type createdRequest struct {
	Location string `header:"Location"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the key was used before"`
	Body     RequestView
}

type reviewRequest struct {
	RequestPath
	Body struct {
		Decision string `json:"decision" enum:"approve,deny"`
		Digest   string `json:"digest" minLength:"8" maxLength:"64" doc:"Of the request as it was read, at least its first 8 digits: what was looked at is what is decided"`
		Comment  string `json:"comment,omitempty" maxLength:"1000" doc:"A denial needs one"`
	}
}

func (s *Server) requestRoutes() {
	const path, tag = "/api/v1/requests", "requests"
	add(s, huma.Operation{OperationID: "list-requests", Method: http.MethodGet, Path: path, Tags: []string{tag}, Summary: "List requests, newest first"}, Read, s.listRequests)
	add(s, huma.Operation{OperationID: "get-request", Method: http.MethodGet, Path: path + "/{id}", Tags: []string{tag}, Summary: "Read one request"}, Read, s.getRequest)
	add(s, huma.Operation{OperationID: "create-request", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated, Tags: []string{tag}, Summary: "Ask for work",
		Description: "Takes discover, run and retry commands. The request waits for a second person like one asked in the chat."}, Request, s.createRequest)
	add(s, huma.Operation{OperationID: "withdraw-request", Method: http.MethodPost, Path: path + "/{id}/withdraw", Tags: []string{tag}, Summary: "Take a pending request back"}, Request, s.withdraw)
	add(s, huma.Operation{OperationID: "review-request", Method: http.MethodPost, Path: path + "/{id}/reviews", Tags: []string{tag}, Summary: "Approve or deny",
		Description: "The person the token stands for decides, by the rules of the chat: never the requester, only approvers of the cluster."}, Review, s.review)
}

func (s *Server) listRequests(ctx context.Context, in *listRequests) (*struct{ Body RequestList }, error) {
	at, err := in.place()
	if err != nil {
		return nil, err
	}
	f := Filter{State: in.State, Cluster: in.Cluster, Host: in.Target, Requester: in.Requester}
	rs, err := s.o.Lists.RequestPage(ctx, f, at, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := RequestList{Items: []RequestView{}}
	rs, out.NextCursor = cut(rs, in.Limit, func(r approvals.Request) Place { return Place{r.Created, r.ID} })
	for _, r := range rs {
		out.Items = append(out.Items, viewRequest(r))
	}
	return &struct{ Body RequestList }{out}, nil
}

func (s *Server) getRequest(ctx context.Context, in *RequestPath) (*oneRequest, error) {
	r, err := s.o.Facts.Request(ctx, in.ID)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, noRequest(in.ID)
	}
	if err != nil {
		return nil, err
	}
	v := viewRequest(r)
	if r.Plan != nil && v.Plan != nil {
		v.Tables, v.Plan.LeftTables = viewTables(*r.Plan)
	}
	jobs, err := s.o.Lists.JobPage(ctx, Filter{Request: r.ID}, Place{}, 1000)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		v.Jobs = append(v.Jobs, j.ID)
	}
	return &oneRequest{v}, nil
}

func noRequest(id string) error {
	return refuse(http.StatusNotFound, "no_request", fmt.Sprintf("There is no request %.40s.", id), "GET /api/v1/requests lists what is there.")
}

func (s *Server) createRequest(ctx context.Context, in *createRequest) (*createdRequest, error) {
	by, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	r, again, err := s.once(s.o.Fresh(ctx), ask{by: by, channel: in.Body.Channel, command: in.Body.Command, key: in.Key})
	if err != nil {
		return nil, err
	}
	out := &createdRequest{Location: "/api/v1/requests/" + r.ID, Body: viewRequest(r)}
	if again {
		out.Replayed = "true"
		return out, nil
	}
	s.told(ctx, "request created", r.ID, by)
	return out, nil
}

func (s *Server) withdraw(ctx context.Context, in *RequestPath) (*oneRequest, error) {
	by, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.o.Decisions.Withdraw(ctx, in.ID, by)
	if err != nil {
		return nil, err
	}
	s.told(ctx, "request withdrawn", r.ID, by)
	return &oneRequest{viewRequest(r)}, nil
}

func (s *Server) review(ctx context.Context, in *reviewRequest) (*oneRequest, error) {
	by, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.o.Decisions.Review(s.o.Fresh(ctx), approvals.ReviewInput{
		RequestID: in.ID, Digest: in.Body.Digest, Reviewer: by, Decision: approvals.Decision(in.Body.Decision), Comment: in.Body.Comment,
	})
	if err != nil {
		return nil, err
	}
	s.told(ctx, "request reviewed: "+in.Body.Decision, r.ID, by)
	return &oneRequest{viewRequest(r)}, nil
}
