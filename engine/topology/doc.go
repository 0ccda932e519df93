// Package topology finds out what a replication cluster looks like: which servers there are, who
// replicates from whom, and what each of them is.
//
// # Flow
//
//	seed + configured hosts ─▶ visit (all at once, Options.Parallel)
//	                             │ facts · channels · registered replicas · dump threads · GTIDs · lag
//	                             ▼
//	            sources (up) and replicas (down) not seen yet ─▶ visit …
//	                             ▼
//	            connect by identity ─▶ roles ─▶ errant GTIDs ─▶ Topology
//
// A visit costs five round trips: connection, greeting, login, facts, everything else in one packet.
// Nothing waits for a whole tier: a dead server delays the answer, not the walk.
//
// # Who is who
//
// A server is its own identity (dbconn.Identity), never its address: two addresses of one server
// are one instance. A replica found through its source counts only if the server reached has the
// UUID (MariaDB: server_id) that the source named, so a wrong report_host, a translated address or
// a guessed port cannot put a stranger into the tree.
//
// # Failure behaviour
//
// A partial answer is an answer. What was not reached is listed with its reason, Partial is set,
// and the guard treats it as unknown. A host outside the allow list is listed and not contacted.
// A refused right makes the instance incomplete (Instance.Missing), which the guard refuses.
//
// # What it does not do
//
// It changes nothing on a server, starts nothing, and keeps nothing itself between two walks.
package topology
