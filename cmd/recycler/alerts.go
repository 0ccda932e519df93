package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/storage"
)

// alerter is a reader of the event log, like the thread: it tells what must not wait for somebody
// to read a thread, to the log and to a webhook. Its cursor is stored, so that a restart neither
// loses nor repeats what was taken; between taking and storing a crash repeats one alert.
type alerter struct {
	facts  *storage.Facts
	outbox *storage.Outbox       // keeps the cursor
	config func() configs.Alerts // as configured now
	client *http.Client
	log    *zap.Logger
}

// alerter returns the reader with the app's parts.
func (a *app) alerter() *alerter {
	return &alerter{facts: a.stores.facts, outbox: a.stores.outbox, config: func() configs.Alerts { return a.conf.Load().config.Alerts }, client: &http.Client{}, log: a.log.Named("alerts")}
}

// alertsReader names the cursor.
const alertsReader = "alerts"

// Alert is what a webhook gets.
type Alert struct {
	Seq      int64            `json:"seq"`
	At       time.Time        `json:"at"`
	Alert    engine.AlertKind `json:"alert"`
	Kind     engine.EventKind `json:"kind"` // of the fact
	Request  string           `json:"request"`
	Job      string           `json:"job,omitempty"`
	Step     int              `json:"step,omitempty"`
	Sentence string           `json:"sentence"`
}

func (a *alerter) run(ctx context.Context) error {
	log := logReader{name: alertsReader, facts: a.facts, outbox: a.outbox}
	every(ctx, readEvery, func(ctx context.Context) error { return log.read(ctx, a.tell) }, a.log.Error, "alerts not told")
	return nil
}

// tell tells an event that is an alert.
func (a *alerter) tell(ctx context.Context, e engine.Event) (told bool, err error) {
	al, ok := alertOf(e)
	if !ok {
		return false, nil
	}
	a.log.Error("alert", zap.String("kind", string(al.Alert)), zap.String("job", al.Job), zap.String("sentence", al.Sentence))
	return true, a.post(ctx, al)
}

// alertOf says whether a fact is an alert, and its sentence.
func alertOf(e engine.Event) (Alert, bool) {
	if e.Kind == approvals.EventBreakGlass {
		return brokenGlass(e)
	}
	kind, sentence, is := engine.AlertOf(e)
	return Alert{Seq: e.Seq, At: e.At, Alert: kind, Kind: e.Kind, Request: e.RequestID, Job: e.JobID, Step: e.Step, Sentence: sentence}, is
}

// brokenGlass is the alert of a break-glass request that was asked or approved.
func brokenGlass(e engine.Event) (Alert, bool) {
	var f approvals.BreakGlassFact
	if json.Unmarshal(e.Data, &f) != nil || (f.What != "asked" && f.What != "approved") {
		return Alert{}, false
	}
	return Alert{Seq: e.Seq, At: e.At, Alert: "break_glass", Kind: e.Kind, Request: e.RequestID,
		Sentence: fmt.Sprintf("Break-glass on %s: %s %s %s. Reason: %s", f.Target, f.By.Name, f.What, e.RequestID, f.Reason)}, true
}

// post sends one alert until it is taken or ctx ends. The URL may hold a secret, so errors of the
// client, which name it, are reduced to what kind they are.
func (a *alerter) post(ctx context.Context, al Alert) error {
	if !a.config().Webhook.Set() {
		return nil
	}
	body, err := json.Marshal(al)
	if err != nil {
		return err
	}
	_, err = backoff.Retry(ctx, func() (bool, error) {
		err := a.send(ctx, body)
		if err != nil && ctx.Err() == nil {
			a.log.Warn("alert not taken by the webhook; trying again", zap.Int64("seq", al.Seq), zap.Error(err))
		}
		return err == nil, err
	}, backoff.WithMaxElapsedTime(0))
	return err
}

func (a *alerter) send(ctx context.Context, body []byte) error {
	config := a.config()
	if !config.Webhook.Set() {
		return nil // it was taken out of the configuration meanwhile
	}
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, config.Webhook.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return errors.New("the webhook did not answer")
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		return errors.New("the webhook's answer broke off")
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answered %d", resp.StatusCode)
	}
	return nil
}
