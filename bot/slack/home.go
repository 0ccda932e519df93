package slack

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	sdk "github.com/slack-go/slack"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/bot"
)

// homeSeen is how long after somebody opened their home tab it is kept up to date.
const homeSeen = time.Hour

// homes draws home tabs: when one is opened, and again after RefreshHomes for those who looked
// lately.
type homes struct {
	c    *Client
	wake chan struct{}

	mu   sync.Mutex
	seen map[string]*home
}

type home struct {
	who  approvals.Actor
	at   time.Time
	hash [sha256.Size]byte
	mu   sync.Mutex // one publication at a time: a late one must not hide a newer
}

func newHomes(c *Client) *homes {
	return &homes{c: c, wake: make(chan struct{}, 1), seen: map[string]*home{}}
}

// RefreshHomes draws the home tabs again of everybody who opened theirs within the hour, soon.
func (c *Client) RefreshHomes() {
	select {
	case c.homes.wake <- struct{}{}:
	default:
	}
}

// publish draws one person's home tab and keeps it up to date for a while.
func (h *homes) publish(ctx context.Context, who approvals.Actor) error {
	h.mu.Lock()
	one := h.seen[who.ID]
	if one == nil {
		one = &home{}
		h.seen[who.ID] = one
	}
	one.who, one.at = who, h.c.o.Clock()
	h.mu.Unlock()
	return h.draw(ctx, one, who)
}

func (h *homes) draw(ctx context.Context, one *home, who approvals.Actor) error {
	one.mu.Lock()
	defer one.mu.Unlock()
	m, err := h.make(ctx, who)
	if err != nil {
		return fmt.Errorf("make home of %s: %w", who.ID, err)
	}
	_, blocks := h.c.drawChecked(m, maxViewBlocks)
	if blocks == nil {
		blocks = []sdk.Block{}
	}
	raw, err := json.Marshal(blocks)
	if err != nil {
		return fmt.Errorf("encode home: %w", err)
	}
	sum := sha256.Sum256(raw)
	if sum == one.hash {
		return nil
	}
	err = h.c.call(ctx, mPublish, func() error {
		_, err := h.c.api.PublishViewContext(ctx, sdk.PublishViewContextRequest{UserID: who.ID,
			View: sdk.HomeTabViewRequest{Type: sdk.VTHomeTab, Blocks: sdk.Blocks{BlockSet: blocks}}})
		return err
	})
	if err == nil {
		one.hash = sum
	}
	return err
}

// make asks the handler; a panic in it is an error like any other.
func (h *homes) make(ctx context.Context, who approvals.Actor) (m bot.Message, err error) {
	defer recovered(&err)
	return h.c.o.Handler.Home(ctx, who)
}

// run refreshes on demand, at most every few seconds, until ctx ends.
func (h *homes) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		}
		for one, who := range h.recent() {
			if err := h.draw(ctx, one, who); err != nil && ctx.Err() == nil {
				h.c.log.Warn("refresh a home tab", zap.String("user", who.ID), zap.Error(err))
			}
		}
		pause(ctx, 2*h.c.o.Tuning.Retry)
	}
}

func (h *homes) recent() map[*home]approvals.Actor {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[*home]approvals.Actor{}
	for k, one := range h.seen {
		if h.c.o.Clock().Sub(one.at) > homeSeen {
			delete(h.seen, k)
			continue
		}
		out[one] = one.who
	}
	return out
}
