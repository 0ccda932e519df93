package sandbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// obj is a JSON object. The sandbox keeps what the app sent as plain JSON on
// purpose: decoding it into types would forgive what Slack would not.
type obj = map[string]any

// state is everything /_ctl/reset forgets. Server.mu guards it.
type state struct {
	ws       Workspace
	ids      *idSource
	channels map[string]*Channel
	dms      map[string]string // user id -> DM channel id
	rooms    *rooms
	views    *viewStore
	files    map[string]*File
	hooks    map[string]*hook
	triggers map[string]*trigger
	ledger   *ledger
	faults   []*fault
	rates    *rateBook
	scopes   []string
	granted  map[string]time.Time // unused socket tickets and when they end
	appBase  string               // the sandbox's address as the app reaches it
}

func newState(c Config) *state {
	st := &state{
		ws: c.Workspace, ids: newIDs(c.Seed),
		channels: map[string]*Channel{}, dms: map[string]string{},
		rooms: newRooms(), views: newViews(), files: map[string]*File{},
		hooks: map[string]*hook{}, triggers: map[string]*trigger{},
		ledger: &ledger{}, rates: newRates(c.EnforceRates),
		scopes: slices.Clone(defaultScopes), granted: map[string]time.Time{},
	}
	st.ws.Groups = slices.Clone(c.Workspace.Groups)
	for _, ch := range c.Workspace.Channels {
		ch.Members = slices.Clone(ch.Members)
		st.channels[ch.ID] = &ch
	}
	return st
}

// user finds a member by id, by name or by @name.
func (st *state) user(ref string) *User {
	ref = strings.TrimPrefix(ref, "@")
	for i, u := range st.ws.Users {
		if u.ID == ref || u.Name == ref {
			return &st.ws.Users[i]
		}
	}
	return nil
}

// channel finds a channel by id, by name or by #name. A DM is found by its id only.
func (st *state) channel(ref string) *Channel {
	if c := st.channels[ref]; c != nil {
		return c
	}
	name := strings.TrimPrefix(ref, "#")
	for _, c := range st.channels {
		if c.Name == name && name != "" {
			return c
		}
	}
	return nil
}

// group finds a user group by id or handle.
func (st *state) group(ref string) *Group {
	ref = strings.TrimPrefix(ref, "@")
	for i, g := range st.ws.Groups {
		if g.ID == ref || g.Handle == ref {
			return &st.ws.Groups[i]
		}
	}
	return nil
}

// dm opens, or finds, the direct conversation between the bot and a user.
func (st *state) dm(user string) *Channel {
	if id := st.dms[user]; id != "" {
		return st.channels[id]
	}
	id := "D" + strings.TrimPrefix(user, "U")
	c := &Channel{ID: id, Private: true, BotMember: true, Members: []string{user}}
	st.dms[user], st.channels[id] = id, c
	return c
}

func (c *Channel) isDM() bool { return strings.HasPrefix(c.ID, "D") }

func (c *Channel) has(user string) bool { return slices.Contains(c.Members, user) }

// slackName is the channel's name in interaction payloads.
func (c *Channel) slackName() string {
	if c.isDM() {
		return "directmessage"
	}
	return c.Name
}

// idSource makes ids that look like Slack's and repeat for the same seed.
type idSource struct {
	rng  *rand.Rand
	last time.Time
}

func newIDs(seed int64) *idSource {
	return &idSource{rng: rand.New(rand.NewPCG(uint64(seed), 0x5eed))}
}

const idAlphabet = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"

func (s *idSource) next(prefix string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = idAlphabet[s.rng.IntN(len(idAlphabet))]
	}
	return prefix + string(b)
}

func (s *idSource) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", s.rng.Uint32(), s.rng.IntN(1<<16),
		s.rng.IntN(1<<12), s.rng.IntN(1<<12), s.rng.Int64N(1<<48))
}

// ts makes a message timestamp, strictly increasing in the whole workspace.
func (s *idSource) ts(now time.Time) string {
	now = now.Truncate(time.Microsecond)
	if !now.After(s.last) {
		now = s.last.Add(time.Microsecond)
	}
	s.last = now
	return fmt.Sprintf("%d.%06d", now.Unix(), now.Nanosecond()/1000)
}
