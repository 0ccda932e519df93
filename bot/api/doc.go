// Package api is the second door: REST under /api/v1, the event log live over a WebSocket, health
// and metrics, and the client that the command line uses. It decides nothing itself.
//
// # Flow
//
//	call ─▶ token ─▶ scope ─▶ rate ─▶ person ─▶ bot.Ask | approvals.Service | bot.WantJob | bot.ChangeSchedule | bot.HoldNode ─▶ answer
//	                                    │
//	                                    └ whom the token stands for, as the chat's directory knows them now
//
//	event log ─▶ log (one poll for all) ─▶ ring ─▶ WebSocket readers, each at its own place
//	                                           └─▶ meter ─▶ /metrics
//
// # Who may do what
//
// A token has scopes: read looks, request asks for work, also at fixed times, and withdraws it,
// operate pauses, resumes and cancels jobs and schedules, and shows, drains and pauses nodes and regions,
// review decides, admin shows and reloads the configuration. Everything but read is
// done by a person: the token names a chat user, who is looked up at each such call and must be a
// full member; a token without one only reads, whatever its scopes say. So the requester of a
// request is a person whichever door was used, and the second-person rule compares people and
// never tokens: somebody with three tokens and a chat account is one person.
//
// # Failure behaviour
//
// Closed: a token that cannot be looked up, a person the directory does not know, a digest that is
// missing all refuse. Errors are RFC 9457 problems with the sentence and hint the chat would say
// and a stable code; what is not meant for people is logged and answered with its error id. A call
// with an Idempotency-Key happens once: a repetition gets what the first one made, also after a
// crash in between. Callers without a live token are held back by address, in bounded memory; probes are
// not. A WebSocket reader that is too slow is told so, with the number to go on from,
// and let go; nobody waits for it, and nothing is lost, because readers ask by number.
//
// # What it does not do
//
// It knows no storage and no configuration, and keeps no state but counters and the newest events.
// The page at / is a caller like any other (package page). Tokens are made by the command line on the machine of the database, never here:
// nobody can widen their own rights through the door those rights open.
package api
