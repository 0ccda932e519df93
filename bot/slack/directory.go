package slack

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// How old an answer about people may be. On a click a group is read again when it is older than a
// minute: somebody who was taken out of it must not approve.
const (
	personAge     = 5 * time.Minute
	groupAge      = 5 * time.Minute
	groupAgeFresh = time.Minute
	lookupWithin  = 10 * time.Second
)

type freshKey struct{}

// Fresh marks a context in which something is decided: groups are read afresh when what is known
// is older than a minute. The transport marks what it hands to bot.Handler.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

// people answers approvals.Directory from Slack with short caches. Errors are not cached, and an
// old answer is never given in place of an error.
type people struct {
	c *Client

	mu      sync.Mutex
	persons map[string]personSeen
	groups  map[string]members
	busy    map[string]*sync.Mutex
	home    string // our own team or organisation
	scopes  []string
}

type personSeen struct {
	p  approvals.Person
	at time.Time
}

type members struct {
	ids []string
	at  time.Time
}

func newPeople(c *Client) *people {
	return &people{c: c, persons: map[string]personSeen{}, groups: map[string]members{}, busy: map[string]*sync.Mutex{}}
}

// one makes concurrent questions for the same thing one question.
func (p *people) one(k string) func() {
	p.mu.Lock()
	m := p.busy[k]
	if m == nil {
		m = &sync.Mutex{}
		p.busy[k] = m
	}
	p.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func (p *people) forget(group string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if group == "" {
		clear(p.groups)
		return
	}
	delete(p.groups, group)
}

// Person implements approvals.Directory with users.info.
func (c *Client) Person(ctx context.Context, team, id string) (approvals.Person, error) {
	p, now := c.people, c.o.Clock()
	if !userID.MatchString(id) {
		return approvals.Person{}, fmt.Errorf("look up person: %q is no Slack user id", cut(line(id), 40))
	}
	defer p.one("u" + id)()
	k := team + "/" + id
	p.mu.Lock()
	had, ok := p.persons[k]
	p.mu.Unlock()
	if ok && now.Sub(had.at) < personAge {
		return had.p, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	got, err := c.readPerson(ctx, team, id)
	if err != nil {
		return approvals.Person{}, fmt.Errorf("look up person %s: %w", id, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.persons) > 10_000 {
		clear(p.persons)
	}
	p.persons[k] = personSeen{got, now}
	return got, nil
}

func (c *Client) readPerson(ctx context.Context, team, id string) (approvals.Person, error) {
	ours, err := c.ownTeam(ctx)
	if err != nil {
		return approvals.Person{}, err
	}
	var out approvals.Person
	err = c.call(ctx, mUser, func() error {
		u, err := c.api.GetUserInfoContext(ctx, id)
		if code(err) == "user_not_found" {
			return fmt.Errorf("%w: %w", engine.ErrNotFound, err)
		}
		if err != nil {
			return err
		}
		name := first(u.Profile.DisplayName, u.RealName, u.Name)
		// is_stranger is false for a guest organisation's member whom a shared channel makes visible.
		elsewhere := u.TeamID != "" && u.TeamID != ours && u.Enterprise.EnterpriseID != ours
		out = approvals.Person{Actor: approvals.Actor{Team: team, ID: u.ID, Name: line(name)}, Email: u.Profile.Email,
			Bot: u.IsBot || u.IsWorkflowBot || u.IsConnectorBot || u.ID == "USLACKBOT", Deleted: u.Deleted,
			Guest: u.IsRestricted || u.IsUltraRestricted, Foreign: u.IsStranger || elsewhere, Locale: u.Locale}
		return nil
	})
	return out, err
}

// ownTeam is the team, or the organisation, that the bot token belongs to.
func (c *Client) ownTeam(ctx context.Context) (string, error) {
	p := c.people
	p.mu.Lock()
	ours := p.home
	p.mu.Unlock()
	if ours != "" {
		return ours, nil
	}
	a, err := c.authTest(ctx)
	if err != nil {
		return "", err
	}
	return orgOf(a.EnterpriseID, a.TeamID), nil
}

// granted is what the bot token may do, as of the newest auth.test.
func (p *people) granted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.scopes)
}

// Members implements approvals.Directory with usergroups.users.list. A disabled or unknown group
// is an error.
func (c *Client) Members(ctx context.Context, group string) ([]string, error) {
	p := c.people
	age := groupAge
	if fresh, _ := ctx.Value(freshKey{}).(bool); fresh {
		age = groupAgeFresh
	}
	defer p.one("g" + group)()
	now := c.o.Clock()
	p.mu.Lock()
	had, ok := p.groups[group]
	p.mu.Unlock()
	if ok && now.Sub(had.at) < age {
		return slices.Clone(had.ids), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	var ids []string
	err := c.call(ctx, mGroup, func() (err error) {
		ids, err = c.api.GetUserGroupMembersContext(ctx, group)
		return err
	})
	if err != nil {
		c.log.Warn("a user group cannot be read; nobody of it can approve until it can", zap.String("group", group))
		return nil, fmt.Errorf("read user group %s: %w", cut(line(group), 40), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups[group] = members{slices.Clone(ids), now}
	return ids, nil
}
