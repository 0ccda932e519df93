package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
	"mysql-recycler/bot/api"
	"mysql-recycler/bot/schedule"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// scheduleIDs makes ids for schedules and for what they ask.
type scheduleIDs struct {
	*storage.Requests
	*storage.Schedules
}

// newScheduler is what asks at its times. It plans through the bot, which is made after it.
func (a *app) newScheduler() *schedule.Scheduler {
	book := storage.NewSchedules(a.db)
	return schedule.New(schedule.Options{
		Book: book, Runs: book, Requests: a.service, Standing: a.service, Facts: a.stores.facts, Wanter: a.stores.facts,
		IDs: scheduleIDs{a.stores.requests, book}, Now: time.Now, Wake: func() { a.bot.Wake() }, Log: a.log.Named("schedule"),
		Plan:     func(ctx context.Context, s approvals.Schedule) (engine.Plan, error) { return a.bot.PlanFor(ctx, s) },
		Defaults: a.conf.timing,
	})
}

func schedulesCommand() *cobra.Command {
	r := &remote{}
	return remoteCommand(&cobra.Command{
		Use: "schedules", Short: "Runs at fixed times: list, add, edit, pause, resume, skip, remove", Long: callsServer,
	}, r, schedulesListCommand(r), schedulesAddCommand(r), schedulesEditCommand(r),
		schedulesDoCommand(r, bot.SchedulePause, "Ask for nothing until it is resumed; takes back what waits for a decision"),
		schedulesDoCommand(r, bot.ScheduleResume, "Ask again at its times"),
		schedulesDoCommand(r, bot.ScheduleSkip, "Leave out the run that is announced, or the next one"),
		schedulesDoCommand(r, bot.ScheduleWithdraw, "End its standing approvals"),
		schedulesDoCommand(r, bot.ScheduleRemove, "End it"))
}

func schedulesListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List schedules", Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			l, err := client.Schedules(c.Context())
			if err != nil {
				return err
			}
			p := colours(c.OutOrStdout())
			return r.print(c.OutOrStdout(), l.Items, func(w io.Writer) {
				row(w, "ID", p.state("STATE"), "NEXT", "CRON", "ZONE", "OWNER", "COMMAND")
				for _, s := range l.Items {
					row(w, s.ID, p.state(s.State), stampOf(s.Next), s.Cron, s.Zone, or(s.Owner.Name, s.Owner.ID), s.Command)
				}
			})
		},
	}
}

// scheduleTable is one schedule as people read it.
func scheduleTable(s api.ScheduleView, p paint) func(io.Writer) {
	return func(w io.Writer) {
		row(w, "schedule", s.ID)
		row(w, "state", p.state(s.State))
		row(w, "command", s.Command)
		row(w, "target", s.Target+" ("+s.Cluster+")")
		row(w, "times", s.Cron+" "+s.Zone)
		row(w, "window", s.Window+", announced "+s.Lead+" ahead, jitter "+s.Jitter+", missed: "+s.Missed)
		row(w, "owner", or(s.Owner.Name, s.Owner.ID))
		row(w, "edited by", or(s.Editor.Name, s.Editor.ID))
		row(w, "next", stampOf(s.Next))
		if s.Skipped != nil {
			row(w, "skipped", stampOf(s.Skipped))
		}
	}
}

const scheduleRules = "Flags and their values are those of the chat. Each run is announced and needs a second person, who is\nneither the owner of the schedule nor its last editor."

func schedulesAddCommand(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "add HOST|CLUSTER [TABLE…] --cron TIMES", Short: "Ask for a run at fixed times", Args: usageArgs(cobra.MinimumNArgs(1)), Long: scheduleRules}
	s := chatFlags(c, bot.VerbSchedule)
	s.head = []string{string(bot.ScheduleAdd)}
	c.RunE = func(c *cobra.Command, args []string) error {
		line, err := s.line(c, args)
		if err != nil {
			return err
		}
		return rescheduled(c, r, func(ctx context.Context, a *api.Client) (api.ScheduleView, error) { return a.AddSchedule(ctx, line) })
	}
	return c
}

func schedulesEditCommand(r *remote) *cobra.Command {
	c := &cobra.Command{Use: "edit SCHEDULE [TABLE…]", Short: "Change what it asks for, or when; what is not named stays", Args: usageArgs(cobra.MinimumNArgs(1)), Long: scheduleRules}
	s := chatFlags(c, bot.VerbSchedule)
	s.head = []string{string(bot.ScheduleEdit)}
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := s.line(c, args); err != nil {
			return err
		}
		change := bot.Spell(args[1:], s.flags(c))
		if change == "" {
			return &usageError{errors.New("nothing to change: name a flag or a table")}
		}
		return rescheduled(c, r, func(ctx context.Context, a *api.Client) (api.ScheduleView, error) {
			return a.EditSchedule(ctx, args[0], change)
		})
	}
	return c
}

func schedulesDoCommand(r *remote, what bot.ScheduleAction, short string) *cobra.Command {
	return &cobra.Command{
		Use: string(what) + " SCHEDULE", Short: short, Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return rescheduled(c, r, func(ctx context.Context, a *api.Client) (api.ScheduleView, error) {
				return a.DoSchedule(ctx, args[0], string(what))
			})
		},
	}
}

// rescheduled changes a schedule and prints it.
func rescheduled(c *cobra.Command, r *remote, change func(context.Context, *api.Client) (api.ScheduleView, error)) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	s, err := change(c.Context(), client)
	if err != nil {
		return err
	}
	return r.print(c.OutOrStdout(), s, scheduleTable(s, colours(c.OutOrStdout())))
}
