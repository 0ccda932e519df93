package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"mysql-recycler/bot"
)

// ScheduleView is a schedule as callers see it.
//
// long: each field is a promise of the API.
type ScheduleView struct {
	ID      string     `json:"id" example:"S-7QK2"`
	Cluster string     `json:"cluster"`
	Target  string     `json:"target"`
	Command string     `json:"command"`
	Cron    string     `json:"cron"`
	Zone    string     `json:"zone"`
	Window  string     `json:"window" doc:"How long after its time work may start tables" example:"4h0m0s"`
	Lead    string     `json:"lead" doc:"How long before its time a run is announced" example:"1h0m0s"`
	Jitter  string     `json:"jitter" doc:"A run starts up to this much later" example:"0s"`
	Missed  string     `json:"missed" enum:"skip,once" doc:"What becomes of runs missed while nobody was there"`
	State   string     `json:"state" enum:"active,paused,removed"`
	Owner   Person     `json:"owner"`
	Editor  Person     `json:"editor" doc:"Who edited it last; neither they nor the owner may approve its runs"`
	Next    *time.Time `json:"next,omitempty" doc:"Left out while it is paused"`
	Skipped *time.Time `json:"skipped,omitempty" doc:"The run that was just left out"`
}

func viewSchedule(r bot.Scheduled) ScheduleView {
	t := r.Timing
	at := times(r.Next, r.Skipped, time.Time{})
	return ScheduleView{ID: r.ID, Cluster: r.Cluster, Target: r.Target, Command: r.Command, Cron: t.Cron, Zone: t.Zone,
		Window: t.Window.String(), Lead: t.Lead.String(), Jitter: t.Jitter.String(), Missed: string(t.Missed), State: string(r.State),
		Owner: personOf(r.Owner), Editor: personOf(r.Editor), Next: at.Created, Skipped: at.Started}
}

// SchedulePath names a schedule in a path.
type SchedulePath struct {
	ID string `path:"id" maxLength:"40" example:"S-7QK2"`
}

type oneSchedule struct{ Body ScheduleView }

type createSchedule struct {
	Body struct {
		Command string `json:"command" minLength:"1" maxLength:"3000" doc:"As typed in the chat" example:"schedule add db-prod-3 --cron \"0 2 * * sun\" --schema shop"`
		Channel string `json:"channel,omitempty" maxLength:"40" doc:"Where its runs are announced; left out: the cluster's channel"`
	}
}

type editSchedule struct {
	SchedulePath
	Body struct {
		Change string `json:"change" minLength:"1" maxLength:"3000" doc:"What stands behind the id in the chat's schedule edit; what is not named stays" example:"--cron \"0 3 * * sat\""`
	}
}

type createdSchedule struct {
	Location string `header:"Location"`
	Body     ScheduleView
}

func (s *Server) scheduleRoutes() {
	const path, tag = "/api/v1/schedules", "schedules"
	tags := []string{tag}
	add(s, huma.Operation{OperationID: "list-schedules", Method: http.MethodGet, Path: path, Tags: tags, Summary: "List schedules"}, Read, s.listSchedules)
	add(s, huma.Operation{OperationID: "create-schedule", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated, Tags: tags, Summary: "Ask for work at fixed times",
		Description: "Takes the chat's schedule add. Each run is announced and needs a second person, who is neither the owner nor the last editor."}, Request,
		func(ctx context.Context, in *createSchedule) (*createdSchedule, error) {
			x, err := s.reschedule(ctx, in.Body.Channel, in.Body.Command, bot.ScheduleAdd)
			if err != nil {
				return nil, err
			}
			return &createdSchedule{path + "/" + x.ID, x}, nil
		})
	add(s, huma.Operation{OperationID: "edit-schedule", Method: http.MethodPatch, Path: path + "/{id}", Tags: tags, Summary: "Change what a schedule asks for, or when",
		Description: "A run that waits for a decision is planned and asked again; standing approvals end."}, Request,
		func(ctx context.Context, in *editSchedule) (*oneSchedule, error) {
			return s.scheduled(ctx, in.ID, bot.ScheduleEdit, " "+in.Body.Change)
		})
	add(s, huma.Operation{OperationID: "remove-schedule", Method: http.MethodDelete, Path: path + "/{id}", Tags: tags, Summary: "End a schedule"}, Request,
		func(ctx context.Context, in *SchedulePath) (*oneSchedule, error) {
			return s.scheduled(ctx, in.ID, bot.ScheduleRemove, "")
		})
	for what, summary := range map[bot.ScheduleAction]string{
		bot.SchedulePause: "Ask for nothing until it is resumed", bot.ScheduleResume: "Ask again at its times",
		bot.ScheduleSkip: "Leave out the run that is announced, or the next one", bot.ScheduleWithdraw: "End its standing approvals",
	} {
		add(s, huma.Operation{OperationID: string(what) + "-schedule", Method: http.MethodPost, Path: path + "/{id}/" + string(what), Tags: tags, Summary: summary}, Operate,
			func(ctx context.Context, in *SchedulePath) (*oneSchedule, error) {
				return s.scheduled(ctx, in.ID, what, "")
			})
	}
}

func (s *Server) listSchedules(ctx context.Context, _ *struct{}) (*listed[ScheduleView], error) {
	rows, err := s.o.Fleet.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	var out []ScheduleView
	for _, r := range rows {
		out = append(out, viewSchedule(r))
	}
	return all(out), nil
}

// scheduled does something to one schedule.
func (s *Server) scheduled(ctx context.Context, id string, what bot.ScheduleAction, rest string) (*oneSchedule, error) {
	x, err := s.reschedule(ctx, "", bot.Spell([]string{string(bot.VerbSchedule), string(what), id}, nil)+rest, what)
	if err != nil {
		return nil, err
	}
	return &oneSchedule{x}, nil
}

// reschedule does what the command schedule says, in the name of the caller's person. A route does
// its own action only: scopes are checked by route.
func (s *Server) reschedule(ctx context.Context, channel, command string, what bot.ScheduleAction) (ScheduleView, error) {
	by, err := s.person(ctx)
	if err != nil {
		return ScheduleView{}, err
	}
	line, err := bot.Parse(command)
	if err != nil {
		return ScheduleView{}, err
	}
	if line.Verb != bot.VerbSchedule || line.Plan.Action != what {
		return ScheduleView{}, refuse(http.StatusUnprocessableEntity, "not_a_schedule", "This call takes the command schedule "+string(what)+" and no other.", "")
	}
	x, err := s.o.Fleet.ChangeSchedule(s.o.Fresh(ctx), by, channel, command)
	if err != nil {
		return ScheduleView{}, err
	}
	s.told(ctx, "schedule: "+string(what), x.ID, by)
	return viewSchedule(x), nil
}
