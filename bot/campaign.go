package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// campaign tells what becomes of the primary that a run over its cluster left out. While it waits,
// its message has a button that ends the wait.
func (d *draft) campaign(s *scene) ([]Post, error) {
	var c engine.Campaign
	if err := json.Unmarshal(s.e.Data, &c); err != nil {
		return nil, fmt.Errorf("read the campaign: %w", err)
	}
	if c.Expires.IsZero() { // the life is configuration, which who opens a campaign does not know
		c.Expires = c.Opened.Add(d.o.Tuning.CampaignLife())
	}
	k := map[engine.EventKind]key{engine.EventCampaignOpened: kCampaignOpened, engine.EventCampaignAsked: kCampaignAsked,
		engine.EventCampaignExpired: kCampaignExpired, engine.EventCampaignStopped: kCampaignStopped}[s.e.Kind]
	m := notice(s.l, k, args{"host": code(c.Host), "cluster": code(c.Cluster), "id": code(c.NextID), "at": when(c.Expires),
		"command": code(slash + "run " + c.Host), "who": mention(answerTo(s.r)), "by": mention(s.actor)})
	if s.e.Kind == engine.EventCampaignOpened {
		b := &builder{l: s.l, m: m}
		b.buttons(Button{Action: ActionCancel, Value: valueOf(s.r), Label: s.l.text(kCampaignStop, nil), Confirm: &Confirm{
			Title: s.l.text(kCampaignStopTitle, nil), Text: s.l.text(kCampaignStopText, args{"host": plain(clip(c.Host, 200))}),
			Yes: s.l.text(kCampaignStop, nil), No: s.l.text(kBack, nil)}})
		m = b.m
	}
	return s.post(s.name(), m)
}

// stopCampaign ends the wait of an ended run for a switchover; idle answers when it does not wait.
func (b *Bot) stopCampaign(ctx context.Context, who asker, r approvals.Request, idle error) (Message, error) {
	if err := b.mayStop(ctx, who, r); err != nil {
		return Message{}, err
	}
	err := b.o.Wanter.StopCampaign(ctx, r.ID, who.user)
	if errors.Is(err, engine.ErrNotFound) {
		return Message{}, idle
	}
	return notice(who.l, kYouStoppedWait, args{"id": code(r.ID)}), err
}

// leftToSchedule says what becomes of the primary that a scheduled run leaves out. It has no
// campaign: the schedule asks again by itself.
func (v view) leftToSchedule(b *builder) {
	if _, is := v.r.Requester.Schedule(); !is || v.r.Plan == nil {
		return
	}
	for _, x := range v.r.Plan.Left {
		if x.Primary {
			b.context(b.l.say(kLeftToSchedule, args{"name": code(x.Name)})...)
		}
	}
}
