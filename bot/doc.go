// Package bot is the conversation: it understands commands, answers people, and tells the story
// of every request in one thread. It knows no transport: bot/slack turns envelopes into calls of
// Handler and Messages into Block Kit.
//
// # Flow
//
//	slash command ─▶ (stored, acknowledged) ─▶ Bot.Command ─▶ Parse ─▶ Planner ─▶ Requests.Submit
//	click ─▶ (stored, acknowledged) ─▶ Bot.Click ─▶ Requests.Review ─▶ event log
//	event log ─▶ Teller ─▶ Outbox (wished state of each message) ─▶ transport sends or edits
//
// A request has one parent message, its card, which is drawn again from stored facts after every
// event (view.card), and replies in its thread, one per milestone (draft.story). The keys of posts
// are made of stored ids, so events that are told twice make the same posts:
//
//	R-7QK2/card       the parent; progress edits of it are routine, everything else is not
//	R-7QK2/plan       all tables, when the card has no room for them
//	R-7QK2/e118       the reply of event 118
//	R-7QK2/e118/chart its picture: the tables of a job before and after
//	R-7QK2/t3         a big table (t3.2 in the request's second job)
//	R-7QK2/small3     small tables in one reply that grows, named after its first table
//	R-7QK2/remind1    a reminder that nobody has decided
//	digest/2026-11-30/C1  the week of a channel, and …/chart its picture; all channels and the mark that
//	                  the week was told are one transaction
//
// A run that finds no usable discovery offers one. The discovery then keeps the run as its
// command, and when it is done the teller submits the run in the requester's name, with
// "--after R-…" in the stored command: that is how its card finds the thread, and how a teller that
// crashed in between recognises that it has submitted already.
//
// Who may use which command is asked where a name has become a cluster (targetFor, mayLook, mayStop,
// mayChange), behind the chat, the forms, the buttons and the doors of others alike. What is told in a
// channel, everybody in it reads; what the API reads is for the token's scope. A schedule that is there
// goes on asking whatever its author may now. --break-glass has people of its own.
//
// # Failure behaviour
//
// Errors of a person's making are answered to that person alone, with what was understood, the
// nearest valid thing and an example to copy. Errors of ours are answered with an id that is in the
// log, and nothing else. The teller never gives up: while the store fails it tries again, later and
// later; a single event that cannot be told is left out after five tries, so that it does not
// silence the others. Progress is never stored and may be missed. What a job waits for is
// remembered in memory only; after a restart the throttle says it again.
//
// # What it does not do
//
// It decides nothing: who may approve is approvals' business, what is safe is the engine's. It
// keeps no state of its own beside the cursor over the event log. Escaping and the platform's
// limits are the transport's; this package only keeps messages short.
package bot
