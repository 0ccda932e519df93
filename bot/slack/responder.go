package slack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	sdk "github.com/slack-go/slack"

	"mysql-recycler/bot"
)

// A response URL takes five answers within thirty minutes
// (docs.slack.dev/interactivity/handling-user-interaction#message_responses).
const (
	hookUses = 5
	hookLife = 30 * time.Minute
)

// hooks counts the uses of response URLs.
type hooks struct {
	now  func() time.Time
	mu   sync.Mutex
	urls map[string]*hook
}

type hook struct {
	born time.Time
	used int
}

func newHooks(now func() time.Time) *hooks { return &hooks{now: now, urls: map[string]*hook{}} }

// minted notes when a response URL began to live.
func (h *hooks) minted(u string, at time.Time) {
	if u == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	for k, v := range h.urls {
		if now.Sub(v.born) > hookLife {
			delete(h.urls, k)
		}
	}
	if h.urls[u] == nil && now.Sub(at) < hookLife {
		h.urls[u] = &hook{born: at}
	}
}

// use takes one of its uses; false when it has none left.
func (h *hooks) use(u string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.urls[u]
	if k == nil || k.used >= hookUses || h.now().Sub(k.born) > hookLife {
		return false
	}
	k.used++
	return true
}

func (h *hooks) until(u string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.urls[u]; k != nil {
		return k.born.Add(hookLife)
	}
	return time.Time{}
}

func (h *hooks) dead(u string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.urls, u)
}

// Whisper answers one person: by the response URL while it lives, else in the channel so that
// only they see it, else in a direct message. The error is a *Problem when a person can mend it.
func (c *Client) Whisper(ctx context.Context, to bot.Reply, m bot.Message) error {
	c.count.do(func(s *Stats) { s.Out.Whispers++ })
	text, blocks := c.drawChecked(m, maxBlocks)
	if c.trusted(to.URL) && c.hooks.use(to.URL) {
		err := c.respond(ctx, to.URL, text, blocks)
		if err == nil {
			return nil
		}
		c.hooks.dead(to.URL) // used up, expired, or Slack in trouble: the other ways remain
	}
	if to.User == "" {
		return errors.New("whisper: nobody to answer")
	}
	opts := messageOptions(text, blocks)
	if to.Channel != "" && !strings.HasPrefix(to.Channel, "D") {
		err := c.call(ctx, mEphemeral, func() error {
			_, err := c.api.PostEphemeralContext(ctx, to.Channel, to.User, opts...)
			return err
		})
		if err == nil || code(err) == "" {
			return err
		}
		m.Blocks = append(m.Blocks, bot.Block{Context: []bot.Span{
			{Text: "Sent here because I could not answer in "}, {Channel: to.Channel}, {Text: ": " + sentence(err)}}})
		text, blocks = c.drawChecked(m, maxBlocks)
		opts = messageOptions(text, blocks)
		if dmErr := c.direct(ctx, to.User, opts); dmErr != nil {
			return err
		}
		return nil
	}
	return c.direct(ctx, to.User, opts)
}

// sentence is an error in words for people.
func sentence(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Sentence() + " " + p.Hint()
	}
	return "Slack answered " + code(err) + "."
}

// direct sends a direct message: Slack takes a user's id for a channel.
func (c *Client) direct(ctx context.Context, user string, opts []sdk.MsgOption) error {
	return c.call(ctx, mPost, func() error {
		_, _, err := c.api.PostMessageContext(ctx, user, opts...)
		return err
	})
}

// respond posts to a response URL, which is a secret by itself and needs no token.
func (c *Client) respond(ctx context.Context, to, text string, blocks []sdk.Block) error {
	no := false
	msg := &sdk.WebhookMessage{Text: text, ResponseType: sdk.ResponseTypeEphemeral, UnfurlLinks: &no, UnfurlMedia: &no}
	if len(blocks) > 0 {
		msg.Blocks = &sdk.Blocks{BlockSet: blocks}
	}
	return scrub("answer by response URL", sdk.PostWebhookCustomHTTPContext(ctx, to, c.http, msg))
}

// trusted says whether a response URL is Slack's, or that of the API we were told to use.
func (c *Client) trusted(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || raw == "" || u.User != nil {
		return false
	}
	api, err := url.Parse(c.o.APIURL)
	if err == nil && u.Scheme == api.Scheme && u.Host == api.Host {
		return true
	}
	host := u.Hostname()
	return u.Scheme == "https" && (host == "slack.com" || strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com"))
}

// OpenForm opens a modal. The trigger lives three seconds from the click, so nothing is waited
// for and nothing is tried twice.
func (c *Client) OpenForm(ctx context.Context, to bot.Reply, f bot.Form) error {
	if to.Trigger == "" {
		return errors.New("open form: no trigger")
	}
	ref := formRef{Channel: to.Channel}
	if until := c.hooks.until(to.URL); !until.IsZero() {
		ref.URL, ref.Until = to.URL, until.Unix()
	}
	v, err := drawForm(f, ref)
	if err != nil {
		return err
	}
	if err := checkBlocks(v.Blocks.BlockSet, maxViewBlocks); err != nil {
		return fmt.Errorf("draw form %s: %w", f.ID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err = c.api.OpenViewContext(ctx, to.Trigger, v)
	c.gates.limited(mOpen, err)
	return scrub("open form", err)
}
