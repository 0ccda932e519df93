// Package bot is the conversation: it understands commands, answers people, and tells the story
// of every request in one thread. It knows no transport: bot/slack turns envelopes into calls of
// Handler and Messages into Block Kit.
//
// # Flow
//
//	slash command ─▶ (stored, acknowledged) ─▶ Handler.Command ─▶ approvals.Service.Submit
//	event log ─▶ Teller ─▶ Outbox (wished state of each message) ─▶ transport sends or edits
//	click ─▶ (stored, acknowledged) ─▶ Handler.Click ─▶ approvals.Service.Review ─▶ event log
//
// The teller renders from stored facts alone, so a message can be drawn again at any time and a
// late progress edit can never hide a decision. Errors of a person's making are answered to that
// person alone, with what was understood, the nearest valid thing and an example to copy.
//
// # What it does not do
//
// It decides nothing: who may approve is approvals' business, what is safe is the engine's.
package bot
