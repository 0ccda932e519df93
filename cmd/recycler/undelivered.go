package main

import (
	"context"
	"encoding/json"
	"fmt"

	"go.uber.org/zap"

	"mysql-recycler/bot"
	"mysql-recycler/bot/slack"
)

// undelivered tells the requester in a direct message that a message of their request cannot be
// shown where it should, with what to do ("/invite the bot"). It must not fail the sender, so its
// own trouble is logged.
func (a *app) undelivered(ctx context.Context, p bot.Post, why *slack.Problem) {
	log := a.log.With(zap.String("post", p.Key), zap.String("channel", p.Channel))
	log.Error("message not shown", zap.Error(why))
	r, err := a.stores.facts.Request(ctx, p.Request)
	if err != nil || p.Channel == r.Requester.ID {
		return // nobody to tell, or telling them is what failed
	}
	text := fmt.Sprintf("%s: %s %s", r.ID, why.Sentence(), why.Hint())
	body, err := json.Marshal(bot.Message{Summary: text, Blocks: []bot.Block{{Text: []bot.Span{{Text: text}}}}})
	if err != nil {
		log.Error("requester not told", zap.Error(err))
		return
	}
	note := bot.Post{Key: p.Key + "/undelivered", Request: r.ID, Channel: r.Requester.ID, Body: body}
	if err := a.outbox().Put(ctx, "", 0, []bot.Post{note}); err != nil {
		log.Error("requester not told", zap.Error(err))
	}
}

// outbox is the bot's view of the stored one.
func (a *app) outbox() outbox { return outbox{a.stores.outbox, a.slack.Wake} }
