package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

func plainInt(n int) Span { return plain(strconv.Itoa(n)) }

// request returns a request by the id a person typed, or a refusal with the nearest id.
func (b *Bot) request(ctx context.Context, id string) (approvals.Request, error) {
	r, err := b.o.Facts.Request(ctx, id)
	if errors.Is(err, engine.ErrNotFound) {
		return r, b.noRequest(ctx, id)
	}
	if err != nil {
		return r, fmt.Errorf("read request %s: %w", id, err)
	}
	return r, nil
}

// noRequest refuses an id, with the nearest one of the recent requests.
func (b *Bot) noRequest(ctx context.Context, id string) error {
	m := &Misread{key: kNoRequest, Line: id, vals: args{"id": code(clip(id, 40))}, Example: "list"}
	rs, err := b.o.Lists.Requests(ctx, "", "", 50)
	if err != nil {
		return m // the suggestion is a courtesy
	}
	ids := make([]string, len(rs))
	for i, r := range rs {
		ids[i] = r.ID
	}
	if m.Near = nearest(id, ids); m.Near != "" {
		m.Example = "status " + m.Near
	}
	return m
}

// answerTo is who is told what became of a request: who asked for it, or the author of the schedule
// that did.
func answerTo(r approvals.Request) approvals.Actor {
	if _, is := r.Requester.Schedule(); is && len(r.Barred) > 0 {
		return r.Barred[0]
	}
	return r.Requester
}

// mayApprove names who may decide a request, without its requester; empty when that is not known
// now. Names are plain words: a card that waits must not ping a whole group.
func (b *Bot) mayApprove(ctx context.Context, r approvals.Request) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	set, err := b.o.Requests.Deciders(ctx, r)
	if err != nil {
		return ""
	}
	set = slices.DeleteFunc(slices.Clone(set), func(id string) bool {
		return id == r.Requester.ID || slices.ContainsFunc(r.Barred, func(a approvals.Actor) bool { return a.ID == id })
	})
	const most = 6
	var names []string
	for _, id := range set[:min(most, len(set))] {
		names = append(names, b.name(ctx, r.Requester.Team, id))
	}
	if len(set) > most {
		names = append(names, "+"+strconv.Itoa(len(set)-most))
	}
	return strings.Join(names, ", ")
}

// name is how a person is called; the id when the directory does not know.
func (b *Bot) name(ctx context.Context, team, id string) string {
	if b.o.Directory == nil {
		return id
	}
	p, err := b.o.Directory.Person(ctx, team, id)
	if err != nil || p.Name == "" {
		return id
	}
	return p.Name
}

// whoami tells a person what the bot knows of them and what they may do.
func (b *Bot) whoami(ctx context.Context, who asker) (Message, error) {
	m := &builder{l: who.l}
	m.summary(kWhoami, args{"user": mention(who.user), "id": code(who.user.ID)})
	m.say(kWhoami, args{"user": mention(who.user), "id": code(who.user.ID)})
	var may, not []string
	for _, c := range b.Clusters() {
		set, err := b.o.Requests.Approvers(ctx, c)
		if err == nil && slices.Contains(set, who.user.ID) {
			may = append(may, c)
		} else {
			not = append(not, c)
		}
	}
	if len(may) > 0 {
		m.say(kMayApproveOn, args{"clusters": code(strings.Join(may, ", "))})
	}
	if len(not) > 0 {
		m.say(kMayAskOn, args{"clusters": code(strings.Join(not, ", "))})
	}
	m.context(who.l.say(kWhoamiSmall, args{"locale": plain(who.l.text(kLanguage, nil))})...)
	return m.m, nil
}

// Clusters are the names of the configured clusters, sorted.
func (b *Bot) Clusters() []string {
	var out []string
	for _, n := range b.o.Targets.Names() {
		if t, err := b.o.Targets.Find(n); err == nil && !slices.Contains(out, t.Cluster) {
			out = append(out, t.Cluster)
		}
	}
	slices.Sort(out)
	return out
}
