// Package sandbox is a Slack workspace in one process, with a page to click in.
//
// Tests, the demo and rehearsals of the bot run against it instead of the live
// service. It knows nothing of the bot: it imports nothing of this module and
// shares no types with it, so a wrong JSON tag in the bot fails here the way it
// would fail at Slack. A fake must refuse what the original refuses; this one
// refuses tokens, limits, stale trigger ids, late acknowledgements and rates.
//
//	          people                                     the bot
//	page at /  ──┐                                 ┌── POST /api/<method>
//	Client     ──┼─ /_ctl/slash, click, submit ──┐ │      (tokens, scopes, limits, rates, faults)
//	curl       ──┘                               │ │
//	                                             ▼ ▼
//	                   state: people, rooms, views, files, ledger
//	                                             │ ▲
//	page ◀── /_ctl/stream (server-sent events) ──┤ │
//	                                             ▼ │
//	                   /link  (Socket Mode): each envelope to exactly one socket
//
// An envelope lives like this:
//
//	made ─▶ sent to one socket ─▶ acked within 3 s ─▶ done
//	                          └─▶ not acked ─▶ events_api: redelivered up to three times
//	                                       └─▶ slash, interactive: the person sees
//	                                           operation_timeout; redelivered on request
//
// Every fault a rehearsal needs is asked for over /_ctl/…: 429 and 5xx answers,
// answers that are lost after the call was processed, duplicates, dropped and
// half-open sockets, disconnect frames, a clock that can be moved forward.
//
// What it does not do: it keeps nothing on disk, it has no accounts (whoever
// reaches the port is every user), and it does not claim to know the live
// service where Slack does not document it; such places say so in a comment.
// It is meant for loopback.
package sandbox
