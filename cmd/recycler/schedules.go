package main

import (
	"context"
	"time"

	"mysql-recycler/approvals"
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
