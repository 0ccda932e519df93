package sandbox

import "time"

// defaultScopes are the scopes of the app's manifest, all granted at the start.
// /_ctl/scopes takes some away.
var defaultScopes = []string{
	"commands", "chat:write", "im:write", "users:read", "usergroups:read", "channels:read",
	"groups:read", "files:write", "reactions:write",
}

// methods is the Web API of the sandbox. Tiers are the documented ones
// (java-slack-sdk, MethodsRateLimits).
var methods = map[string]method{
	"api.test":                     {tier: tierHigh, run: apiTest},
	"auth.test":                    {tier: tierHigh, run: authTest},
	"apps.connections.open":        {app: true, tier: tier1, run: connectionsOpen},
	"chat.postMessage":             {scope: "chat:write", tier: tierPost, run: chatPostMessage},
	"chat.update":                  {scope: "chat:write", tier: tier3, run: chatUpdate},
	"chat.delete":                  {scope: "chat:write", tier: tier3, run: chatDelete},
	"chat.postEphemeral":           {scope: "chat:write", tier: tier4, run: chatPostEphemeral},
	"chat.getPermalink":            {tier: tierHigh, run: chatGetPermalink},
	"views.open":                   {tier: tier4, run: viewsOpen},
	"views.push":                   {tier: tier4, run: viewsPush},
	"views.update":                 {tier: tier4, run: viewsUpdate},
	"views.publish":                {tier: tier4, run: viewsPublish},
	"conversations.open":           {scope: "im:write", tier: tier3, run: conversationsOpen},
	"conversations.info":           {scope: "channels:read", tier: tier3, run: conversationsInfo},
	"conversations.members":        {scope: "channels:read", tier: tier4, run: conversationsMembers},
	"conversations.list":           {scope: "channels:read", tier: tier2, run: conversationsList},
	"conversations.history":        {scope: "channels:history", tier: tier3, run: conversationsHistory},
	"conversations.replies":        {scope: "channels:history", tier: tier3, run: conversationsReplies},
	"users.info":                   {scope: "users:read", tier: tier4, run: usersInfo},
	"users.list":                   {scope: "users:read", tier: tier2, run: usersList},
	"usergroups.list":              {scope: "usergroups:read", tier: tier2, run: usergroupsList},
	"usergroups.users.list":        {scope: "usergroups:read", tier: tier2, run: usergroupsUsersList},
	"files.getUploadURLExternal":   {scope: "files:write", tier: tier4, run: filesGetUploadURL},
	"files.completeUploadExternal": {scope: "files:write", tier: tier4, run: filesCompleteUpload},
	"reactions.add":                {scope: "reactions:write", tier: tier3, run: reactionsAdd},
	"reactions.remove":             {scope: "reactions:write", tier: tier2, run: reactionsRemove},
	"blocks.validate":              {tier: tier4, run: blocksValidate},
}

func apiTest(_ *Server, c *call) (obj, error) { return obj{"args": c.args}, nil }

func authTest(s *Server, c *call) (obj, error) {
	ws := s.st.ws
	out := obj{
		"url": "https://" + ws.domain() + ".slack.com/", "team": ws.TeamName, "team_id": ws.TeamID,
		"user": "recycle", "user_id": ws.BotUserID, "bot_id": s.st.botID(), "is_enterprise_install": false,
	}
	if u := s.st.user(ws.BotUserID); u != nil {
		out["user"] = u.Name
	}
	if c.kind == "app" {
		return obj{"app_name": "recycle", "app_id": ws.AppID}, nil
	}
	return out, nil
}

// connectionsOpen hands out a ticket for one socket, good for 30 seconds.
func connectionsOpen(s *Server, c *call) (obj, error) {
	if !s.hub.linkEnabled() {
		return nil, refuse("link_disabled")
	}
	s.st.appBase = "http://" + c.host // response URLs must lead back the same way
	ticket := s.st.ids.uuid()
	s.st.granted[ticket] = s.clock.now().Add(30 * time.Second)
	return obj{"url": "ws://" + c.host + "/link?ticket=" + ticket + "&app_id=" + s.st.ws.AppID}, nil
}
