package main

import (
	"context"

	"mysql-recycler/bot"
	"mysql-recycler/storage"
)

// Storage and bot do not know each other. Their rows have the same fields, so the adapters here
// only convert.

// outbox is storage's outbox as the bot declares it. Whoever puts something in wakes the sender.
type outbox struct {
	*storage.Outbox
	wake func()
}

var (
	_ bot.Outbox  = outbox{}
	_ bot.Sending = outbox{}
)

// Put implements bot.Outbox.
func (o outbox) Put(ctx context.Context, reader string, upto int64, posts []bot.Post) error {
	rows := make([]storage.Post, len(posts))
	for i, p := range posts {
		rows[i] = storage.Post(p)
	}
	if err := o.Outbox.Put(ctx, reader, upto, rows); err != nil {
		return err
	}
	o.wake()
	return nil
}

// Due implements bot.Sending.
func (o outbox) Due(ctx context.Context, limit int) ([]bot.Queued, error) {
	rows, err := o.Outbox.Due(ctx, limit)
	due := make([]bot.Queued, len(rows))
	for i, r := range rows {
		due[i] = bot.Queued{Post: bot.Post(r.Post), Rev: r.Rev, TS: r.TS, ParentTS: r.ParentTS, Attempts: r.Attempts, Moved: r.Moved}
	}
	return due, err
}

// inbox is storage's inbox as the bot declares it.
type inbox struct{ *storage.Inbox }

var _ bot.Inbox = inbox{}

// Pending implements bot.Inbox.
func (i inbox) Pending(ctx context.Context) ([]bot.Envelope, error) {
	rows, err := i.Inbox.Pending(ctx)
	pending := make([]bot.Envelope, len(rows))
	for n, r := range rows {
		pending[n] = bot.Envelope(r)
	}
	return pending, err
}
