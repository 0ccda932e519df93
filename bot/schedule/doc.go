// Package schedule asks at its times for what people would otherwise type at night: it announces a
// run ahead of its slot, with what it would do, and lets people decide about that one run.
//
// # Flow of a slot
//
//	slot − lead ─▶ claimed ─▶ asked ─▶ started ─▶ ended
//	                 │  ▲       │
//	                 ▼  │       └▶ skipped: not approved or not checked in time, denied, taken back
//	               looking ──────▶ skipped: the discovery it needed was not approved, or failed
//
// The request is an ordinary one (approvals.Submit): its card is the announcement, its requester is
// the schedule, and neither the schedule's author nor its last editor may approve it. Approved work
// starts at the slot and not before; no table is started after the window. Nothing runs because of
// a schedule alone: a run under a standing approval is announced as pending, and approved at its
// start by the people who gave it, if they still may; else it is taken back and asked again.
//
// # Failure behaviour
//
// A slot is claimed by inserting its row, so over restarts and processes it is handled once. Ids of
// requests are stored before the requests are, so whoever finds a slot half done goes on with the
// same request instead of making a second one. Slots whose window passed while nobody was there are
// left out, or asked for once, as the schedule says; either way it is told. While the store fails
// the loop logs and tries again.
//
// # What it does not do
//
// It decides and executes nothing, and renders nothing: what it does is in the event log, and the
// teller of package bot says it.
package schedule
