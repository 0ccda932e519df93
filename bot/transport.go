package bot

import (
	"context"
	"time"

	"mysql-recycler/approvals"
)

// Command is a slash command as a person typed it.
type Command struct {
	Text    string // without the command word
	User    approvals.Actor
	Channel string
	Reply   Reply
	At      time.Time

	Envelope string // the act of typing it: the same for every delivery, and for nothing else
}

// Click is a button pressed. Value is what the button carried, never trusted beyond being a value.
type Click struct {
	Action  string
	Value   string
	User    approvals.Actor
	Channel string
	Message string // transport's id of the message that was clicked
	Reply   Reply
	At      time.Time // when the click was made; display and audit only, deadlines use our clock

	Envelope string // the act of clicking, as in Command
}

// Submission is a form sent in.
type Submission struct {
	Form   string
	Ref    string
	Values map[string]string
	User   approvals.Actor
	Reply  Reply

	Envelope string // the act of sending it in, as in Command
}

// Reply addresses an answer only one person sees, and forms opened for them.
type Reply struct {
	User    string
	Channel string
	URL     string // response URL; empty: post an ephemeral message in Channel
	Trigger string // single use, 3 s
}

// Handler is what a transport calls; each call has been stored and acknowledged before. An
// error means the envelope is kept and handled again; what a person must know is answered, not
// returned.
type Handler interface {
	Command(ctx context.Context, c Command) error
	Click(ctx context.Context, c Click) error
	// Submit returns problems per input id; an empty map closes the form.
	Submit(ctx context.Context, s Submission) (map[string]string, error)
	// Home answers what a person's home tab shows.
	Home(ctx context.Context, user approvals.Actor) (Message, error)
}

// Suggestion is what a person typed so far into a search field of a form.
type Suggestion struct {
	Form  string
	Ref   string // the form's
	Input string
	Query string
	User  approvals.Actor
}

// Suggester is a Handler that answers search fields, within a second and without waiting for
// anybody.
type Suggester interface {
	Suggest(ctx context.Context, s Suggestion) []Option
}

// Shortcuts is a Handler that answers a shortcut picked on a message; message is all of its text,
// which may be anybody's and decides nothing.
type Shortcuts interface {
	Shortcut(ctx context.Context, c Command, message string) error
}

// Regrets is a Handler that tells a person what became of an act that nobody could handle for a day:
// nothing, as far as is known. Text is the command's, empty for a click or a form.
type Regrets interface {
	GaveUp(ctx context.Context, c Command) error
}

// Responder answers one person at once.
type Responder interface {
	Whisper(ctx context.Context, to Reply, m Message) error
	OpenForm(ctx context.Context, to Reply, f Form) error
}

// Post is the wished state of one message in a channel. The outbox sends it, or edits what was
// sent, until the channel shows its newest revision; revisions in between may be skipped.
type Post struct {
	Key     string // unique: "R-7QK2/card", "R-7QK2/e118"
	Request string
	Channel string
	Parent  string // key of the post whose thread it belongs to; empty: a new parent
	Body    []byte // Message as JSON
	Routine bool   // a progress edit: may be skipped under load; never overwrites a later final one
}

// Queued is a post that the channel does not show yet.
type Queued struct {
	Post
	Rev      int64
	TS       string // transport id when already posted: edit, else post
	ParentTS string // resolved; a post whose parent is not posted yet is not due
	Attempts int
	Moved    bool // it is another message than the first one, which is gone
}

// Outbox is the durable list of posts as who writes them sees it.
type Outbox interface {
	// Put upserts posts and moves the reader's cursor over the event log, in one transaction.
	Put(ctx context.Context, reader string, upto int64, posts []Post) error
}

// Sending is the durable list of posts as who sends them sees it.
type Sending interface {
	// Due lists what is to be sent, oldest first, parents before their threads.
	Due(ctx context.Context, limit int) ([]Queued, error)
	// Sent stores where revision rev of a post went. A post that is known to be another message is
	// approvals.ErrConflict.
	Sent(ctx context.Context, key string, rev int64, channel, ts string) error
	// Moved stores that the message was of a post is gone, and which one stands in its place. That
	// happens to a post once; whatever else is stored by then is approvals.ErrConflict.
	Moved(ctx context.Context, key, was, channel, ts string) error
	// Postpone stores that sending revision rev failed and when to try again; giveUp ends the tries,
	// but for a newer revision.
	Postpone(ctx context.Context, key string, rev int64, until time.Time, reason string, giveUp bool) error
}

// Inbox keeps every envelope before it is acknowledged.
type Inbox interface {
	// Receive stores an envelope; fresh is false when its key was seen before.
	Receive(ctx context.Context, key, kind string, payload []byte) (fresh bool, err error)
	// Pending lists envelopes not handled yet, oldest first: after a crash they are handled again.
	Pending(ctx context.Context) ([]Envelope, error)
	// Handled ends an envelope.
	Handled(ctx context.Context, key string) error
}

// Envelope is a stored inbound event.
type Envelope struct {
	Key     string
	Kind    string // slash_commands, interactive, events_api
	Payload []byte
	At      time.Time
}
