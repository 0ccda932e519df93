package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

func unwrap(c huma.Context) (*http.Request, http.ResponseWriter) { return humago.Unwrap(c) }

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

type oneJob struct{ Body JobView }

// JobPath names a job in a path.
type JobPath struct {
	ID string `path:"id" maxLength:"60" example:"R-7QK2.2"`
}

type listJobs struct {
	Paging
	State   string `query:"state" enum:"queued,running,paused,succeeded,failed,cancelled,refused"`
	Cluster string `query:"cluster" maxLength:"200"`
	Host    string `query:"host" maxLength:"200"`
	Request string `query:"request" maxLength:"40" doc:"Jobs of one request"`
}

// JobList is a page of jobs, without their steps.
type JobList struct {
	Items      []JobView `json:"items" nullable:"false"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Left out on the last page"`
}

type pauseJob struct {
	JobPath
	Now bool `query:"now" doc:"Stop the running table instead of letting it end; it is rebuilt again later"`
}

type listSteps struct {
	JobPath
	After int    `query:"after" minimum:"0" doc:"Number of the last step that is known"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
	State string `query:"state" enum:"pending,running,done,skipped,failed,refused,unknown"`
}

// StepList is a page of a job's steps, in their order.
type StepList struct {
	Items []StepView `json:"items" nullable:"false"`
	Next  int        `json:"next,omitempty" doc:"Give this as after to go on; left out on the last page"`
}

type skipTable struct {
	JobPath
	Table string `query:"table" required:"true" minLength:"1" maxLength:"200" example:"shop.orders" doc:"As schema.table, with all its partitions, or as a step says it"`
}

func (s *Server) jobRoutes() {
	const path, tag = "/api/v1/jobs", "jobs"
	add(s, huma.Operation{OperationID: "list-jobs", Method: http.MethodGet, Path: path, Tags: []string{tag}, Summary: "List jobs, newest first"}, Read, s.listJobs)
	add(s, huma.Operation{OperationID: "get-job", Method: http.MethodGet, Path: path + "/{id}", Tags: []string{tag}, Summary: "Read one job with its steps"}, Read, s.getJob)
	add(s, huma.Operation{OperationID: "list-steps", Method: http.MethodGet, Path: path + "/{id}/steps", Tags: []string{tag}, Summary: "List the steps of a job, page by page"}, Read, s.listSteps)
	add(s, huma.Operation{OperationID: "pause-job", Method: http.MethodPost, Path: path + "/{id}/pause", Tags: []string{tag}, Summary: "Pause after the running table, or now"}, Operate,
		func(ctx context.Context, in *pauseJob) (*oneJob, error) {
			if in.Now {
				return s.want(ctx, in.ID, engine.WantPauseNow)
			}
			return s.want(ctx, in.ID, engine.WantPause)
		})
	add(s, huma.Operation{OperationID: "resume-job", Method: http.MethodPost, Path: path + "/{id}/resume", Tags: []string{tag}, Summary: "Go on after a pause"}, Operate,
		func(ctx context.Context, in *JobPath) (*oneJob, error) { return s.want(ctx, in.ID, engine.WantRun) })
	add(s, huma.Operation{OperationID: "cancel-job", Method: http.MethodPost, Path: path + "/{id}/cancel", Tags: []string{tag}, Summary: "End a job; the running statement is killed",
		Description: "Of a job that has ended it ends the wait of its run for a switchover, after which the old primary would be asked for."}, Operate,
		func(ctx context.Context, in *JobPath) (*oneJob, error) { return s.want(ctx, in.ID, engine.WantCancel) })
	add(s, huma.Operation{OperationID: "skip-table", Method: http.MethodPost, Path: path + "/{id}/skip", Tags: []string{tag}, Summary: "Leave a table alone; its running statement is killed"}, Operate, s.skip)
}

func (s *Server) listJobs(ctx context.Context, in *listJobs) (*struct{ Body JobList }, error) {
	at, err := in.place()
	if err != nil {
		return nil, err
	}
	f := Filter{State: in.State, Cluster: in.Cluster, Host: in.Host, Request: in.Request}
	js, err := s.o.Lists.JobPage(ctx, f, at, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := JobList{Items: []JobView{}}
	js, out.NextCursor = cut(js, in.Limit, func(j engine.Job) Place { return Place{j.Created, j.ID} })
	for _, j := range js {
		out.Items = append(out.Items, s.viewJob(j, false))
	}
	return &struct{ Body JobList }{out}, nil
}

// job reads one job, or refuses its id.
func (s *Server) job(ctx context.Context, id string) (engine.Job, error) {
	j, err := s.o.Facts.Job(ctx, id)
	if errors.Is(err, engine.ErrNotFound) {
		return j, refuse(http.StatusNotFound, "no_job", fmt.Sprintf("There is no job %.60s.", id), "GET /api/v1/jobs lists what is there.")
	}
	return j, err
}

func (s *Server) getJob(ctx context.Context, in *JobPath) (*oneJob, error) {
	j, err := s.job(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &oneJob{s.viewJob(j, true)}, nil
}

func (s *Server) listSteps(ctx context.Context, in *listSteps) (*struct{ Body StepList }, error) {
	j, err := s.job(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := StepList{Items: []StepView{}}
	for _, st := range j.Steps { // in the order of their numbers
		if st.Seq <= in.After || in.State != "" && string(st.State) != in.State {
			continue
		}
		if len(out.Items) == in.Limit {
			out.Next = out.Items[in.Limit-1].Seq
			break
		}
		out.Items = append(out.Items, viewStep(st))
	}
	return &struct{ Body StepList }{out}, nil
}

// want passes on what is wanted of a job.
func (s *Server) want(ctx context.Context, id string, w engine.Wanted) (*oneJob, error) {
	return s.wish(ctx, id, string(w), func(ctx context.Context, by approvals.Actor, j engine.Job) (engine.Job, error) {
		return s.o.Talk.WantJob(ctx, by, j, w)
	})
}

// skip passes on that a table shall be left alone.
func (s *Server) skip(ctx context.Context, in *skipTable) (*oneJob, error) {
	return s.wish(ctx, in.ID, string(engine.WantSkip), func(ctx context.Context, by approvals.Actor, j engine.Job) (engine.Job, error) {
		return s.o.Talk.SkipTable(ctx, by, j, in.Table)
	})
}

// wish passes on a wish and answers the job as it is with it; the worker acts on it within about a
// second.
func (s *Server) wish(ctx context.Context, id, what string, pass func(context.Context, approvals.Actor, engine.Job) (engine.Job, error)) (*oneJob, error) {
	by, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	j, err := s.job(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := pass(s.o.Fresh(ctx), by, j); err != nil {
		return nil, err
	}
	s.told(ctx, "job wanted: "+what, id, by)
	return s.getJob(ctx, &JobPath{ID: id})
}
