// Package slack is the transport of the conversation over Slack: Socket Mode in, Web API out.
// Package bot says what is told to whom; this package makes sure it arrives, once, within
// Slack's limits and rates.
//
// # Inbound
//
//	Slack ─▶ socket 1 ─┐                    stored           ≤ 1 s
//	      ─▶ socket 2 ─┴▶ dedupe key ─▶ Inbox.Receive ─▶ acknowledge ─▶ lane ─▶ bot.Handler ─▶ Inbox.Handled
//	                                        │                                      │ error: again, with pauses
//	                                        └─ seen before: acknowledge, nothing else
//	start ─▶ Inbox.Pending ────────────────────────────────────────────▶ lane
//
// A lane is the order in which things happen to one message, its thread, or one person's
// commands; lanes run side by side. A click that opens a form, and a command without words, have
// a lane of their own, because their trigger lives three seconds. A submitted form is answered
// inside its acknowledgement, so it is handled before it is acknowledged, within 2.5 s. So is what
// somebody types into a search field, within 1 s and without being stored: nobody misses it later.
//
// Two sockets are kept because slack-go gives up a socket at any disconnect frame, the ten
// seconds' warning included. Slack sends each payload to any one socket of the app, so a second
// process with the same app token takes clicks away from this one: more sockets than ours, still
// there after a while, is said loudly.
//
// # Outbound
//
//	Outbox.Due ─▶ finals first, oldest first ─▶ budget of the method ─▶ chat.postMessage / chat.update ─▶ Outbox.Sent
//	                                               │ 429: method waits      │ unknown outcome of a post: pause, then again
//	                                               └ none left: next round  └ message or channel gone: once more elsewhere
//
// One message is never sent twice at a time, posts of one channel keep their order, and a round
// always sends the newest revision, so a progress edit in between may be skipped and a late one
// cannot hide a decision. Edits have 50 a minute for the whole app: 40 for progress, 10 kept for
// everything else, which also goes first.
//
// # Failure
//
// A store that cannot write: the envelope is not acknowledged, Slack shows that to the person and
// delivers again. A handler error: handled again with growing pauses, later by a sweep, after a
// crash from the inbox. A 5xx or lost answer: an edit is repeated freely; a post may have arrived,
// so it is repeated only after a pause, and looked for first when the app may read history. A
// token that never worked ends Run with an error; one that is revoked later is retried slowly and
// said loudly, because the work in hand must not stop for it. A user group that cannot be read is
// an error, never an empty or old list.
//
// # What it does not do
//
// It decides nothing, parses no command, and keeps no state but caches. It does not read channel
// history unless the scope was given, never sends link_names, parse=full or unescaped text, and
// never logs a token, a response URL or a payload.
package slack
