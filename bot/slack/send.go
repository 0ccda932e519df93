package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	sdk "github.com/slack-go/slack"
	"go.uber.org/zap"

	"mysql-recycler/bot"
)

// postEvent and postKey are the metadata by which a post can be found again.
const (
	postEvent = "recycler_post"
	postKey   = "key"
	mostWait  = 10 * time.Minute
	tries     = 12
)

// drawChecked draws a message and checks it; what Slack would refuse is a bug here and is sent as
// its one sentence, because saying less is better than saying nothing.
func (c *Client) drawChecked(m bot.Message, limit int) (string, []sdk.Block) {
	text, blocks := drawWithin(m, limit)
	if err := checkBlocks(blocks, limit); err != nil {
		c.log.Error("a message was drawn outside Slack's limits", zap.Error(err))
		return text, nil
	}
	return text, blocks
}

// messageOptions are common to all messages. Blocks are always sent: what an edit without them
// means for the old ones is left to Slack.
func messageOptions(text string, blocks []sdk.Block) []sdk.MsgOption {
	return []sdk.MsgOption{sdk.MsgOptionText(text, false), sdk.MsgOptionBlocks(blocks...),
		sdk.MsgOptionDisableLinkUnfurl(), sdk.MsgOptionDisableMediaUnfurl()}
}

// send makes one message what its newest revision says.
func (s *sender) send(ctx context.Context, q bot.Queued) {
	var m bot.Message
	if err := json.Unmarshal(q.Body, &m); err != nil {
		s.putOff(ctx, q, 0, fmt.Errorf("read message: %w", err), true)
		return
	}
	s.mu.Lock()
	ch := s.channel(q)
	s.mu.Unlock()
	if m.Picture != nil {
		s.upload(ctx, q, ch, m)
		return
	}
	if q.TS == "" {
		s.post(ctx, q, ch, m, q.ParentTS)
		return
	}
	s.edit(ctx, q, ch, m)
}

// post sends a new message. When q has one already, that one is gone and this takes its place.
func (s *sender) post(ctx context.Context, q bot.Queued, ch string, m bot.Message, thread string) {
	if ts := s.find(ctx, q, ch, thread); ts != "" {
		s.c.count.do(func(st *Stats) { st.Out.Adopted++ })
		if q, ok := s.lands(ctx, q, ch, ts); ok {
			s.edit(ctx, q, ch, m) // the older revision may be the one that arrived
		}
		return
	}
	text, blocks := s.c.drawChecked(m, maxBlocks)
	var where []sdk.MsgOption
	if thread != "" {
		where = append(where, sdk.MsgOptionTS(thread))
		if m.Broadcast {
			where = append(where, sdk.MsgOptionBroadcast())
		}
	}
	at, ts, err := s.deliver(ctx, q.Key, ch, text, blocks, where)
	if refusedShape[code(err)] && len(blocks) > 0 {
		s.c.log.Error("slack refused the shape of a message; it is sent as one sentence", zap.String("post", q.Key), zap.Error(scrub(mPost, err)))
		at, ts, err = s.deliver(ctx, q.Key, ch, text, nil, where)
	}
	if err == nil {
		s.c.count.do(func(st *Stats) { st.Out.Posted++; st.FatalOut = "" })
		s.went(q, at)
		if q, ok := s.lands(ctx, q, at, ts); ok {
			s.saved(ctx, q, at, ts)
		}
		return
	}
	s.postFailed(ctx, q, ch, m, thread, err)
}

// lands returns q as the message that shows it now; false when that cannot be.
func (s *sender) lands(ctx context.Context, q bot.Queued, ch, ts string) (bot.Queued, bool) {
	if q.TS != "" {
		return s.replaced(ctx, q, ch, ts)
	}
	q.TS = ts
	return q, true
}

// went notes that a message is in another channel than was asked for: in the fallback channel, or
// in the direct message that a person's id stands for. Edits must name that one.
func (s *sender) went(q bot.Queued, channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if channel != q.Channel {
		s.moved[q.Key] = channel
	}
}

// deliver posts and returns where the message is: its channel and timestamp.
func (s *sender) deliver(ctx context.Context, k, ch, text string, blocks []sdk.Block, where []sdk.MsgOption) (string, string, error) {
	opts := append(messageOptions(text, blocks),
		sdk.MsgOptionMetadata(sdk.SlackMetadata{EventType: postEvent, EventPayload: map[string]any{postKey: k}}))
	return s.c.api.PostMessageContext(ctx, ch, append(opts, where...)...)
}

// refusedShape lists the codes that mean the message, not the place.
var refusedShape = map[string]bool{"invalid_blocks": true, "invalid_blocks_format": true, "msg_blocks_too_long": true,
	"msg_too_long": true, "no_text": true, "invalid_arguments": true, "invalid_metadata_format": true}

// gonePlace lists the codes that mean the channel cannot take the message.
var gonePlace = map[string]bool{"channel_not_found": true, "is_archived": true, "not_in_channel": true}

// goneMessage lists the codes that mean the message cannot be edited any more.
var goneMessage = map[string]bool{"message_not_found": true, "cant_update_message": true, "edit_window_closed": true}

func (s *sender) postFailed(ctx context.Context, q bot.Queued, ch string, m bot.Message, thread string, err error) {
	c := code(err)
	switch why := scrub(mPost, err); {
	case s.c.gates.limited(mPost, err): // due again; the gate makes it wait
	case gonePlace[c]:
		s.misplaced(ctx, q, ch, m, why)
	case c == "thread_not_found" && thread != "":
		s.post(ctx, q, ch, m, "") // its parent was deleted: in the channel it can still be read
	case refusedShape[c]:
		s.putOff(ctx, q, 0, why, true)
	case fatal[c]:
		s.c.count.do(func(st *Stats) { st.FatalOut = c })
		s.putOff(ctx, q, time.Minute, why, false)
	case c != "":
		s.putOff(ctx, q, backoff(s.c.o.Tuning.Retry, q.Attempts, mostWait), why, q.Attempts >= tries)
	case neverSent(err):
		s.putOff(ctx, q, backoff(s.c.o.Tuning.Retry, q.Attempts, time.Minute), why, false)
	default: // it may have arrived, and Slack knows no idempotency key
		s.c.count.do(func(st *Stats) { st.Out.Unknown++ })
		s.mu.Lock()
		if _, ok := s.unsure[q.Key]; !ok {
			s.unsure[q.Key] = s.c.o.Clock()
		}
		s.mu.Unlock()
		s.putOff(ctx, q, backoff(s.c.o.Tuning.Unsure, q.Attempts, mostWait), fmt.Errorf("outcome unknown: %w", why), false)
	}
}

// neverSent says that a call failed before anything reached Slack.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

func (s *sender) edit(ctx context.Context, q bot.Queued, ch string, m bot.Message) {
	if s.same(q) {
		s.c.count.do(func(st *Stats) { st.Out.Unchanged++ })
		s.saved(ctx, q, ch, q.TS)
		return
	}
	text, blocks := s.c.drawChecked(m, maxBlocks)
	err := s.update(ctx, ch, q.TS, text, blocks)
	if refusedShape[code(err)] && len(blocks) > 0 {
		s.c.log.Error("slack refused the shape of a message; it is sent as one sentence", zap.String("post", q.Key), zap.Error(scrub(mUpdate, err)))
		err = s.update(ctx, ch, q.TS, text, nil)
	}
	if err == nil {
		s.c.count.do(func(st *Stats) { st.Out.Edited++; st.FatalOut = "" })
		s.saved(ctx, q, ch, q.TS)
		return
	}
	c := code(err)
	switch why := scrub(mUpdate, err); {
	case s.c.gates.limited(mUpdate, err):
	case goneMessage[c]:
		s.anew(ctx, q, ch, m, why)
	case gonePlace[c]:
		s.misplaced(ctx, q, ch, m, why)
	case refusedShape[c]:
		s.putOff(ctx, q, 0, why, true)
	case fatal[c]:
		s.c.count.do(func(st *Stats) { st.FatalOut = c })
		s.putOff(ctx, q, time.Minute, why, false)
	default: // an edit can be repeated freely
		s.putOff(ctx, q, backoff(s.c.o.Tuning.Retry, q.Attempts, time.Minute), why, c != "" && q.Attempts >= tries)
	}
}

func (s *sender) same(q bot.Queued) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.shown[q.Key]
	return ok && last.body == bodySum(q)
}

func (s *sender) update(ctx context.Context, ch, ts, text string, blocks []sdk.Block) error {
	_, _, _, err := s.c.api.UpdateMessageContext(ctx, ch, ts, messageOptions(text, blocks)...)
	return err
}

// anew posts a parent message again when the first one was deleted, once: a person who deletes a
// message again does not want to see it. A reply that was deleted is let go.
func (s *sender) anew(ctx context.Context, q bot.Queued, ch string, m bot.Message, why error) {
	if q.Parent != "" || q.Moved {
		s.putOff(ctx, q, 0, why, true)
		return
	}
	if wait := s.c.gates.post(ch); wait > 0 { // it came as an edit
		s.putOff(ctx, q, wait, why, false)
		return
	}
	s.c.count.do(func(st *Stats) { st.Out.Reposted++ })
	s.c.log.Warn("a message was deleted; it is posted once more", zap.String("post", q.Key))
	s.post(ctx, q, ch, m, "")
}

// misplaced handles a channel that cannot take a message: it goes to the fallback channel, once,
// and its thread follows; without one it waits for an invitation, or is given up when that cannot
// help. A reply first waits for its parent to move.
func (s *sender) misplaced(ctx context.Context, q bot.Queued, ch string, m bot.Message, why error) {
	s.tell(ctx, q, why)
	to := s.c.o.Fallback
	elsewhere := to != "" && ch != to
	if elsewhere && q.Parent != "" && q.Attempts < 3 {
		s.putOff(ctx, q, 5*s.c.o.Tuning.Retry, why, false)
		return
	}
	if elsewhere && !q.Moved {
		s.mu.Lock()
		s.moved[q.Key] = to
		s.mu.Unlock()
		s.c.count.do(func(st *Stats) { st.Out.Reposted++ })
		m.Blocks = append([]bot.Block{{Context: []bot.Span{{Text: "Posted here because "}, {Channel: ch},
			{Text: " cannot take messages from me."}}}}, m.Blocks...)
		s.post(ctx, q, to, m, "")
		return
	}
	archived := code(why) == "is_archived"
	s.putOff(ctx, q, backoff(5*s.c.o.Tuning.Retry, q.Attempts, time.Minute), why, archived || q.Attempts > 24*60)
}

// tell reports once that a post cannot be shown where it should.
func (s *sender) tell(ctx context.Context, q bot.Queued, why error) {
	var p *Problem
	if s.c.o.Undelivered == nil || !errors.As(why, &p) {
		return
	}
	s.mu.Lock()
	before := s.told[q.Key]
	s.told[q.Key] = true
	s.mu.Unlock()
	if !before {
		s.c.o.Undelivered(ctx, q.Post, p)
	}
}

// find looks for a post that may have arrived, when the app may read history. It returns its
// timestamp, or "": then the post is sent again, because a card that nobody sees is worse than
// one that is there twice.
func (s *sender) find(ctx context.Context, q bot.Queued, ch, thread string) string {
	s.mu.Lock()
	_, unsure := s.unsure[q.Key]
	s.mu.Unlock()
	if !unsure || !s.c.mayReadHistory(ctx) {
		return ""
	}
	var msgs []sdk.Message
	method := mHistory
	if thread != "" {
		method = mReplies
	}
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	err := s.c.call(ctx, method, func() (err error) {
		if thread != "" {
			msgs, _, _, err = s.c.api.GetConversationRepliesContext(ctx, &sdk.GetConversationRepliesParameters{
				ChannelID: ch, Timestamp: thread, Limit: 100, IncludeAllMetadata: true})
			return err
		}
		h, err := s.c.api.GetConversationHistoryContext(ctx, &sdk.GetConversationHistoryParameters{
			ChannelID: ch, Limit: 100, IncludeAllMetadata: true})
		if err == nil {
			msgs = h.Messages
		}
		return err
	})
	if err != nil {
		s.c.log.Warn("look for a message that may have arrived", zap.String("post", q.Key), zap.Error(err))
		return ""
	}
	for _, m := range msgs {
		if m.Metadata.EventType == postEvent && m.Metadata.EventPayload[postKey] == q.Key {
			return m.Timestamp
		}
	}
	return ""
}

// mayReadHistory says whether the optional history scopes were granted.
func (c *Client) mayReadHistory(ctx context.Context) bool {
	if _, err := c.ownTeam(ctx); err != nil {
		return false
	}
	for _, sc := range c.people.granted() {
		if strings.HasSuffix(sc, ":history") {
			return true
		}
	}
	return false
}
