package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/slack-go/slack"
)

// Scopes are what the bot token needs; configs/slack-manifest.yaml asks for the same, and a test
// holds the two together.
var Scopes = []string{"commands", "chat:write", "im:write", "users:read", "usergroups:read",
	"channels:read", "groups:read", "files:write", "reactions:write"}

// Report is what SelfCheck found.
type Report struct {
	Team          string
	TeamID        string
	BotUser       string
	BotUserID     string
	Scopes        []string
	MissingScopes []string
	Channels      []ChannelReport
	// Sockets and ForeignSockets are those of the newest hello; zero before Run has connected.
	Sockets        int
	ForeignSockets int
}

// OK says whether nothing needs mending.
func (r Report) OK() bool {
	for _, c := range r.Channels {
		if c.Problem != nil {
			return false
		}
	}
	return len(r.MissingScopes) == 0 && r.ForeignSockets == 0
}

// ChannelReport is one configured channel.
type ChannelReport struct {
	ID      string
	Name    string
	Problem error // a *Problem when a person can mend it
}

// SelfCheck asks Slack who we are, what we may do and whether we are in the given channels. The
// error is about the token itself; everything else is in the report.
func (c *Client) SelfCheck(ctx context.Context, channels []string) (Report, error) {
	a, err := c.authTest(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("check the bot token: %w", err)
	}
	r := Report{Team: a.Team, TeamID: a.TeamID, BotUser: a.User, BotUserID: a.UserID, Scopes: c.people.granted()}
	for _, s := range Scopes {
		if len(r.Scopes) > 0 && !slices.Contains(r.Scopes, s) {
			r.MissingScopes = append(r.MissingScopes, s)
		}
	}
	for _, ch := range channels {
		r.Channels = append(r.Channels, c.checkChannel(ctx, ch))
	}
	st := c.Stats()
	for _, s := range st.Sockets {
		if s.Connected {
			r.Sockets++
		}
	}
	r.ForeignSockets = st.ForeignSockets
	return r, nil
}

func (c *Client) checkChannel(ctx context.Context, ch string) ChannelReport {
	out := ChannelReport{ID: ch}
	err := c.call(ctx, mInfo, func() error {
		info, err := c.api.GetConversationInfoContext(ctx, &sdk.GetConversationInfoInput{ChannelID: ch})
		if err != nil {
			return err
		}
		out.Name = info.Name
		switch {
		case info.IsArchived:
			return sdk.SlackErrorResponse{Err: "is_archived"}
		case !info.IsMember:
			return sdk.SlackErrorResponse{Err: "not_in_channel"}
		}
		return nil
	})
	if out.Problem = err; err != nil {
		var p *Problem
		if errors.As(err, &p) {
			out.Problem = p
		}
	}
	return out
}

// authTest asks who we are and notes our team and scopes.
func (c *Client) authTest(ctx context.Context) (*sdk.AuthTestResponse, error) {
	var a *sdk.AuthTestResponse
	err := c.call(ctx, mAuth, func() (err error) {
		a, err = c.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var scopes []string
	for s := range strings.SplitSeq(a.Header.Get("X-OAuth-Scopes"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			scopes = append(scopes, s)
		}
	}
	c.people.mu.Lock()
	defer c.people.mu.Unlock()
	c.people.home, c.people.scopes = orgOf(a.EnterpriseID, a.TeamID), scopes
	return a, nil
}
