// Package queue carries approved jobs to workers with River, on the same database as the facts.
//
// # Flow
//
//	approving transaction ─▶ Enqueue (River row {job_id}, same transaction)
//	worker ─▶ Work ─▶ run(job_id) ─▶ ended: row completed
//	                              ─▶ lease held or lost, or the process stops: row snoozed, not failed
//	                              ─▶ any other error: row retried, with growing pauses
//
// A River row is transport: it holds nothing but the job's id, and jobs.engine_id names the one
// row that may run a job. A row that is not named there ends without doing anything.
//
// # Who is dead
//
// River has no heartbeat for jobs without a time limit, so the lease of package storage is the
// heartbeat, and River's rescuer asks it through Worker.Timeout: no limit for a row this client
// runs or whose job has a live lease, one nanosecond for any other. That takes a leader election and
// comes round every half minute, so every worker also looks for leases that ran out itself (TakeOver)
// and hands their jobs to fresh rows: a lost node's job goes on two seconds after its lease.
//
// A process that starts alone on its SQLite file (it gets the lock file exclusively) knows at
// once that every earlier owner is dead: it ends their leases and hands their jobs to fresh River
// rows before it claims anything. A restart therefore goes on within a second or two.
//
// # Holds
//
// A person can hold a region (no job of it starts, running ones go on) or a node (it starts nothing and
// hands over what it runs). The truth is in the table of holds and survives restarts; River's own pause
// of a queue only makes waiting cheap, and is put back by whoever meets a hold. A drained process
// stops River as at its end: the statement on a server goes on there, the row is snoozed, and another
// process adopts it.
//
// # Failure behaviour
//
// The job's row in storage is the truth. At every start, jobs that have not ended but whose River
// row is gone or finished (a restored backup, retention, too many failures) get a new row.
//
// # What it does not do
//
// It runs nothing that was not approved, decides nothing about servers, and does not keep
// schedules or expiries: those have tables of their own.
package queue
