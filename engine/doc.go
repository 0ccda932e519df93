// Package engine plans and runs rebuilds: it turns an approved plan into statements on servers,
// and into facts that everybody else reads.
//
// # Flow
//
//	snapshot ─▶ Planner ─▶ Plan (frozen, digest) ─▶ approval (elsewhere) ─▶ Job ─▶ Dispatcher
//	                                                                               │ one step at a time:
//	                 look at the server ─▶ adopt what an earlier run finished      │
//	                 wait for the throttle ─▶ is it the table that was approved?   │
//	                 ask the guard on the executing session ─▶ store the mark      │
//	                 rebuild, watched by the guard                                 │
//	                 write the fact (bytes before and after) ◀─────────────────────┘
//
// A job works in shifts: the guard is asked, the host waits until no more hosts of its cluster are worked
// on than may be at once and enough other replicas of its tier serve, node hooks take it out of service,
// its settings are lifted, and workers take tables, two at once only where the free disk holds both. A
// shift ends when people pause the job or the maintenance window closes; settings are put back until the
// next one, and hooks when the host has caught up. What cannot be put back, because a server or a source
// of truth is away, is tried again every minute; only a host that is seen to be a primary keeps what it
// has. A server that was upgraded since the plan, or restarted under the job, is asked about anew.
//
// A request for a cluster has one job per host, leaves first; the store hands over the next when one has succeeded.
// When one has not, those that have not started are ended, and those that run beside it (Bounds.AtOnce)
// end their running table and pause until a person resumes or cancels them. A host leaves service only
// while Plan.MinServing other replicas serve; one that has fewer others is refused, also by the plan.
// When all have, the primary that was left out becomes a Campaign: it waits for a switchover and then
// asks for the old primary, which a second person decides like anything else.
//
// # States
//
//	Job:  queued ─▶ running ⇄ paused ─▶ succeeded | failed | cancelled | refused
//	Step: pending ─▶ running ─▶ done | skipped | failed | refused | unknown
//
// A job ends succeeded when every step is done or skipped, failed when a step failed or its
// outcome is unknown, refused when the guard refused the host, cancelled when a person said so.
//
// People want a job to pause, go on or end (Job.Wanted), or one of its tables to be left alone
// (Step.Skip). The worker reads both with each renewal of its lease. A table that is to be skipped is
// not started, its statement is killed if it runs, and one that an earlier process left running is
// found and killed; that it was too late is told as it is, the table is done then.
//
// A retry never revives anything: ended jobs and steps do not change, and no approval carries more
// than its digest. What an ended request left undone (RestOf) becomes the plan of a new request that
// names the old one (Plan.RetryOf), made from what discoveries say now and approved by a second
// person. A table of unknown outcome is planned again only when its host was looked at since.
//
// # Partitions
//
// The unit of work is a table, or one partition of it where a plan names one (Planner.parts): each has a
// step, a mark, a statement and a result of its own, and the throttle is asked between two of them, so
// that the applier catches up. Steps of one table never run at once. A partition that is gone, or grew,
// since the plan is skipped with that reason; skipping a table skips what has not ended of it.
//
// # What is known
//
// Recall tells what is known of hosts without touching them, for plans, cards, the API and early
// refusals. It can speak against a host and never for it: a job asks the guard anew, on the
// executing session, whatever is remembered.
//
//	                 memory                     store (all nodes)          disk
//	topology,        read or saved by this      the newest discovery       last snapshot, while the
//	inventory, roles process, for a time        of a cluster and host      store does not answer
//	refusals         what Permit and Watch of   verdicts of refused        none: they live minutes
//	                 this process refused       jobs in the event log
//
// The store names the newest discovery at every question and memory saves reading it, so no node
// misses what another one found. A refusal counts for a time and until the host is discovered again.
//
// # Failure behaviour
//
// Everything that protects a host fails closed: an error, a timeout or a half-known topology
// refuses. Before a statement is sent its mark is durable (Journal.Step), so that whoever comes
// next after a crash can tell from the server whether the table was rebuilt; an outcome nobody
// can know is called unknown and stops the job, after the server was asked a second time on new
// connections. A job that ends while a statement of an earlier run is still there kills it first.
// Settings of a server are recorded before they
// are changed and restored by whoever finds them changed: the job itself, the next job on the
// host, or Sweep.
//
// # What it does not do
//
// It asks nobody for permission: a job can only exist after approval. It knows no chat, no
// database of ours and no configuration file; those reach it through the small interfaces in
// this package.
package engine
