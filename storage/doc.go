// Package storage keeps every fact of the product in one database: requests, reviews, jobs, steps,
// the event log, discoveries, the outbox and the inbox of the chat, and leases.
//
// # Who may write what
//
//	requests  pending ─▶ approved | denied | expired | withdrawn | superseded   (final, then frozen)
//	jobs      queued ─▶ running ⇄ paused ─▶ succeeded | failed | cancelled | refused  (final, then frozen)
//	steps     pending ⇄ running ─▶ done | skipped | failed | refused | unknown  (final, then frozen)
//	events    append only, numbered without gaps in the order of commits
//
// Go code changes state by compare-and-set inside one transaction; CHECK constraints, composite
// foreign keys and triggers refuse the same nonsense again for whoever reaches the file with
// another program or with a bug. The central rule: a job row can be inserted only while its
// request is pending with enough approvals by other people on the same digest, and a deferred
// foreign key lets that transaction commit only when the request has become approved. So a job
// can be born in the approving transaction and nowhere else.
//
// # One database, two dialects
//
// Statements are written once with $1 placeholders, BIGINT epoch milliseconds and TEXT for ids
// and JSON; what differs is in dialect files. Writing transactions run one at a time: on SQLite
// that is its nature, on PostgreSQL an advisory lock gives the same meaning to the same text.
// Times that decide something (expiry, leases) come from the database's clock.
//
// # Failure behaviour
//
// SQLite runs with WAL and synchronous=FULL: what was acknowledged survives a power cut. Settings
// that matter are read back when the file is opened, because the driver ignores misspelt ones. An
// existing file is copied (VACUUM INTO) and the copy read back before a migration changes it; a file written by a newer
// program is refused with the version to install. Every journal write names its lease's epoch and
// is refused with engine.ErrLeaseLost when that is no longer the newest.
//
// Several processes may share a database. One of them is the active bot of a Slack app, under a
// lease with an epoch; work under WithFence is refused once another process has that lease.
//
// # Growth
//
// Retention lets rows go in transactions of some milliseconds that wait for no disk where the database
// can do that, and on SQLite moves the WAL into the file itself, so that nobody's commit does. Steps of
// long ended jobs become sums (job_figures), old events go once their work has ended and every reader
// has told them, replaced
// discoveries, settled posts and handled envelopes go. Requests, reviews, jobs and the audit chain
// stay. Triggers hold the least ages, whatever is configured. A job's plan is stored once, with its
// request. SQLite uses freed pages again, so the file stays as big as its fullest moment.
//
// Lists read figures and summaries, not steps and plans; what was given back is summed by job and day
// (freed) as each table is done, for charts and the week; and a query has a clause for only what was
// asked: a test shows with EXPLAIN that nothing behind a screen reads a big table from end to end.
//
// Progress of running jobs reaches other processes through one row a job that is written over; it is
// no fact, and who reads it believes it for some seconds.
//
// # Nodes and holds
//
// Every process says every two seconds that it is alive (nodes). Holds say where people want no work
// taken; each change of one is a link of the audit chain.
//
// # What it does not do
//
// It decides nothing about people or servers, it renders nothing, and it knows no chat platform.
// Carrying work to workers is storage/queue.
package storage
