package approvals

import (
	"strings"
	"time"

	"mysql-recycler/engine"
)

// Schedule is a standing wish to ask: ahead of each slot a request is submitted in the schedule's
// name, and a person who is neither its author nor its last editor decides about that one run, or
// has decided about all that are like it. Nothing ever runs because of a schedule alone.
type Schedule struct {
	ID      string        `json:"id"` // S-7QK2
	Cluster string        `json:"cluster"`
	Target  string        `json:"target"`  // host
	Command string        `json:"command"` // the run that each slot asks for, in its plain form
	Timing  Timing        `json:"timing"`
	Channel string        `json:"channel"` // where it is announced
	Owner   Actor         `json:"owner"`   // who made it
	Editor  Actor         `json:"editor"`  // who last edited it; to pause or resume it edits nothing
	State   ScheduleState `json:"state"`
	Since   time.Time     `json:"since"` // slots before are not its business: made, resumed or edited then
	Created time.Time     `json:"created"`
	Rev     int64         `json:"rev"`              // changes by one with each change
	Origin  string        `json:"origin,omitempty"` // the act that made it, where that may be handled again
}

// Timing is when a schedule asks and runs.
type Timing struct {
	Cron   string        `json:"cron"`   // five fields, or a word such as @weekly
	Zone   string        `json:"zone"`   // IANA name: Asia/Shanghai
	Jitter time.Duration `json:"jitter"` // a start is delayed by up to this, always the same for one slot
	Window time.Duration `json:"window"` // how long after the slot work may still start and go on
	Lead   time.Duration `json:"lead"`   // how long before the slot the run is announced
	Missed Missed        `json:"missed"` // what becomes of slots that passed while nobody was running
}

// Missed is what becomes of missed slots.
type Missed string

// Ways with missed slots. Either way it is said in the channel.
const (
	MissedSkip Missed = "skip" // they are left out
	MissedOnce Missed = "once" // all of them together are asked for once, at once
)

// ScheduleState is where a schedule stands.
type ScheduleState string

// States of a schedule. Removed is final.
const (
	ScheduleActive  ScheduleState = "active"
	SchedulePaused  ScheduleState = "paused"
	ScheduleRemoved ScheduleState = "removed"
)

// RunState is where one slot of a schedule stands.
type RunState string

// States of a slot: claimed ─▶ [looking ─▶] asked ─▶ started ─▶ ended, and from each of them skipped.
const (
	RunClaimed RunState = "claimed" // this slot is being prepared
	RunLooking RunState = "looking" // a fresh discovery is asked for first
	RunAsked   RunState = "asked"   // the request waits for a decision
	RunStarted RunState = "started" // approved: its jobs start at the slot
	RunEnded   RunState = "ended"
	RunSkipped RunState = "skipped"
)

// ScheduleRun is one slot. (Schedule, Slot) is its identity.
type ScheduleRun struct {
	Schedule  string    `json:"schedule"`
	Slot      time.Time `json:"slot"`
	State     RunState  `json:"state"`
	Starts    time.Time `json:"starts"` // the slot with its jitter, or now for missed ones
	Ends      time.Time `json:"ends"`   // nothing starts after it
	LookID    string    `json:"look_id,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Reason    string    `json:"reason,omitempty"` // why it was skipped, in words
}

// Facts about schedules in the log; the data of both is ScheduleFact.
const (
	EventScheduleChanged engine.EventKind = "schedule.changed" // added, edited, paused, resumed, removed
	EventScheduleSkipped engine.EventKind = "schedule.skipped" // a slot will not run
	EventScheduleLate    engine.EventKind = "schedule.late"    // slots were missed and are asked for now
)

// ScheduleFact is the data of the facts about schedules.
type ScheduleFact struct {
	Schedule Schedule  `json:"schedule"`
	What     string    `json:"what"` // added, edited, …; for a slot the code of the reason
	Slot     time.Time `json:"slot,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	Slots    int       `json:"slots,omitempty"` // how many were missed
	Text     string    `json:"text,omitempty"`  // the reason in words, where there is more to it
	By       string    `json:"by,omitempty"`    // name of the person
	Grant    *Grant    `json:"grant,omitempty"` // the standing approval it is about
}

// scheduleID begins the id of the actor in whose name a schedule asks. No chat platform has such ids.
const scheduleID = "schedule:"

// Actor is in whose name the schedule asks.
func (s Schedule) Actor() Actor { return Actor{ID: scheduleID + s.ID, Name: "schedule " + s.ID} }

// Barred are the people who must not approve what the schedule asks for.
func (s Schedule) Barred() []Actor {
	if s.Editor.ID == s.Owner.ID {
		return []Actor{s.Owner}
	}
	return []Actor{s.Owner, s.Editor}
}

// Schedule is the id of the schedule that an actor is, if it is one.
func (a Actor) Schedule() (id string, is bool) { return strings.CutPrefix(a.ID, scheduleID) }
