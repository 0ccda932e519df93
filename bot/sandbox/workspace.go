package sandbox

// Config says how a sandbox is started.
type Config struct {
	// Addr is the address to listen on. Defaults to "127.0.0.1:0", a free port on loopback.
	Addr string
	// Workspace is the team, its people and rooms. The zero value means DefaultWorkspace.
	Workspace Workspace
	// Seed makes generated ids and the choice of a socket repeatable.
	Seed int64
	// EnforceRates switches the documented rate tiers on from the start.
	EnforceRates bool
	// Log receives one line for each noteworthy event. Nil is silent.
	Log func(format string, args ...any)
}

// Workspace describes one Slack team with one installed app.
type Workspace struct {
	// TeamID and TeamName name the team, for instance "T0RECYCLE" and "Acme".
	TeamID, TeamName string
	// BotToken (xoxb-…) and AppToken (xapp-…) are the only tokens the sandbox accepts.
	BotToken, AppToken string
	// BotUserID and AppID are the app's identities.
	BotUserID, AppID string
	// Command is the app's slash command with its slash.
	Command string
	// CommandHint is the usage hint shown in the composer while the command is typed.
	CommandHint string
	// Shortcuts are the app's global shortcuts, offered beside the composer.
	Shortcuts []Shortcut
	// MessageShortcuts are those offered in the menu of every message.
	MessageShortcuts []Shortcut
	Users            []User
	Channels         []Channel
	Groups           []Group
}

// Shortcut is a shortcut of the app.
type Shortcut struct {
	CallbackID string `json:"callback_id"`
	Name       string `json:"name"`
}

// User is a member of the workspace, the bot's own user included.
type User struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	RealName        string `json:"real_name"`
	Email           string `json:"email"`
	TZ              string `json:"tz"`
	Locale          string `json:"locale"`
	Bot             bool   `json:"is_bot"`
	Deleted         bool   `json:"deleted"`
	Restricted      bool   `json:"is_restricted"`
	UltraRestricted bool   `json:"is_ultra_restricted"`
	Stranger        bool   `json:"is_stranger"`
}

// Channel is a public or private channel. Members holds user ids, without the bot.
type Channel struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Private   bool     `json:"is_private"`
	Archived  bool     `json:"is_archived"`
	BotMember bool     `json:"bot_member"`
	Members   []string `json:"members"`
}

// Group is a user group such as @dba.
type Group struct {
	ID     string   `json:"id"`
	Handle string   `json:"handle"`
	Users  []string `json:"users"`
}

// DefaultWorkspace is the team the tests and the demo play in: alice, bob and
// carol, dave as a restricted guest, channels #db-ops and #db-audit with the bot
// and #random without it, and the group @dba of bob and carol.
func DefaultWorkspace() Workspace {
	everyone := []string{"U0ALICE", "U0BOB", "U0CAROL", "U0DAVE"}
	staff := everyone[:3]
	return Workspace{
		TeamID: "T0RECYCLE", TeamName: "Acme Data",
		BotToken: "xoxb-sandbox-bot", AppToken: "xapp-1-sandbox-app",
		BotUserID: "U0RECYCLE", AppID: "A0RECYCLE",
		Command:          "/recycle",
		CommandHint:      "help | discover <host> | run <host> --schema <schema> | list | status <id> | cancel <id>",
		Shortcuts:        []Shortcut{{CallbackID: "recycle_new", Name: "Recycle a host"}},
		MessageShortcuts: []Shortcut{{CallbackID: "recycle_status", Name: "Show the request"}},
		Users: []User{
			{ID: "U0ALICE", Name: "alice", RealName: "Alice Chen", Email: "alice@example.com", TZ: "Asia/Shanghai", Locale: "zh-CN"},
			{ID: "U0BOB", Name: "bob", RealName: "Bob Lindqvist", Email: "bob@example.com", TZ: "Europe/Stockholm", Locale: "en-US"},
			{ID: "U0CAROL", Name: "carol", RealName: "Carol Okafor", Email: "carol@example.com", TZ: "America/New_York", Locale: "en-US"},
			{ID: "U0DAVE", Name: "dave", RealName: "Dave Guest", Email: "dave@partner.example", TZ: "Etc/UTC", Locale: "en-US", Restricted: true},
			{ID: "U0RECYCLE", Name: "recycle", RealName: "Recycle", TZ: "Etc/UTC", Locale: "en-US", Bot: true},
		},
		Channels: []Channel{
			{ID: "C0DBOPS", Name: "db-ops", BotMember: true, Members: everyone},
			{ID: "C0DBAUDIT", Name: "db-audit", BotMember: true, Members: staff},
			{ID: "C0RANDOM", Name: "random", Members: everyone},
		},
		Groups: []Group{{ID: "S0DBA", Handle: "dba", Users: []string{"U0BOB", "U0CAROL"}}},
	}
}
