package slack

import (
	"errors"
	"fmt"
	"net/url"

	sdk "github.com/slack-go/slack"
)

// Problem is an answer of Slack that a person can do something about.
type Problem struct {
	Code     string // Slack's error code: not_in_channel, invalid_auth, …
	sentence string
	hint     string
}

// Error returns the code with what it means.
func (p *Problem) Error() string { return fmt.Sprintf("slack answered %s: %s", p.Code, p.sentence) }

// Sentence says what happened, for people.
func (p *Problem) Sentence() string { return p.sentence }

// Hint says what to do about it, for people.
func (p *Problem) Hint() string { return p.hint }

const invite = "In the channel, type: /invite @recycle"

// known lists the codes that have something to be done about them.
var known = map[string]Problem{
	"not_in_channel":         {"", "I am not a member of this channel.", invite},
	"channel_not_found":      {"", "I cannot see this channel: it is private and I am not in it, or it does not exist.", invite},
	"is_archived":            {"", "This channel is archived.", "Unarchive it, or use another channel."},
	"user_not_in_channel":    {"", "You are not a member of that channel.", "Join the channel and try again."},
	"expired_trigger_id":     {"", "The form could not be opened in time.", "Click again."},
	"exchanged_trigger_id":   {"", "The form could not be opened in time.", "Click again."},
	"invalid_trigger_id":     {"", "The form could not be opened in time.", "Click again."},
	"missing_scope":          {"", "The Slack app lacks a permission.", "Compare its scopes with configs/slack-manifest.yaml and install it again."},
	"invalid_auth":           {"", "Slack does not know this token.", "Check RECYCLER_SLACK_BOT_TOKEN and RECYCLER_SLACK_APP_TOKEN."},
	"not_authed":             {"", "No token was sent to Slack.", "Set RECYCLER_SLACK_BOT_TOKEN and RECYCLER_SLACK_APP_TOKEN."},
	"token_revoked":          {"", "The Slack token was revoked.", "Install the app again and set the new token."},
	"token_expired":          {"", "The Slack token has expired.", "Switch token rotation off in the app's settings, or set a new token."},
	"account_inactive":       {"", "The token belongs to a removed user or workspace.", "Install the app again and set the new token."},
	"not_allowed_token_type": {"", "This kind of token cannot do that.", "The app token starts with xapp-, the bot token with xoxb-."},
	"no_permission":          {"", "The workspace does not allow this to the app.", "Ask a workspace administrator."},
	"team_access_not_granted": {"", "The app has no access to this workspace.",
		"Ask an administrator of the organisation to grant it."},
	"link_disabled": {"", "Socket Mode is switched off in the app's settings.",
		"Switch it on under Settings, Socket Mode, at api.slack.com/apps."},
}

// fatal lists the codes that trying again cannot mend. slack-go itself knows only four of them
// and tries the others for ever.
var fatal = map[string]bool{
	"invalid_auth": true, "not_authed": true, "token_revoked": true, "token_expired": true, "account_inactive": true,
	"not_allowed_token_type": true, "missing_scope": true, "no_permission": true, "team_access_not_granted": true,
	"link_disabled": true,
}

// code is Slack's error code in err, or "".
func code(err error) string {
	var r sdk.SlackErrorResponse
	if errors.As(err, &r) {
		return r.Err
	}
	var p *Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// scrub makes an error safe to log and to show: an address in it may be a secret (a response URL,
// a socket's ticket), and known codes get words.
func scrub(doing string, err error) error {
	if err == nil {
		return nil
	}
	c := code(err)
	if k, ok := known[c]; ok {
		k.Code = c
		return fmt.Errorf("%s: %w", doing, &k)
	}
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			break
		}
		err = u.Err
	}
	var r sdk.SlackErrorResponse
	if errors.As(err, &r) && len(r.ResponseMetadata.Messages) > 0 {
		return fmt.Errorf("%s: %w (%s)", doing, err, cut(line(r.ResponseMetadata.Messages[0]), 200))
	}
	return fmt.Errorf("%s: %w", doing, err)
}
