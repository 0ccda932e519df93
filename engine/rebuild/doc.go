// Package rebuild rebuilds one table on one server, so that exactly what was promised happens or
// nothing does, and so that whoever comes after a crash can tell which.
//
// # Flow
//
//	Choose            the statement: kind, algorithm, lock, with the reason
//	Lift              super_read_only off, written down first; MariaDB has none
//	Acquire           a pinned session that holds GET_LOCK('recycler:<slot>')
//	 └─ Fence.Run     settings of the session, read back ─▶ Permit ─▶ mark stored by Begin
//	                  ─▶ ALTER /* recycler job=… step=… */ TABLE … FORCE, ALGORITHM=…, LOCK=…
//	                  beside it: progress, and KILL QUERY when ctx ends
//	Restore           super_read_only on again, never on a server that became a primary
//
// The lock is taken in the session that runs the statement, so it lives exactly as long as the
// statement does: kill -9 of this process leaves both on the server until the ALTER has ended
// (measured on 5.7 to 9.7 and MariaDB), and the next runner waits for it.
//
// # After a crash
//
// Run with a Mark first looks for the statement with our tag. Running: it is watched to its end.
// Then the table's tablespace id (CREATE_TIME where there is none) is compared with the mark:
//
//	other than before   the earlier run finished       ─▶ Adopted, nothing is run
//	as before           the earlier run did nothing    ─▶ it runs now
//	table gone          somebody dropped it            ─▶ Failed, ClassTableGone
//	cannot be read      nobody knows                   ─▶ Unknown, never run again
//
// # Ends
//
// Done, Adopted, Killed, Failed, Left (the process stops, the statement goes on), Unknown. A
// KILL QUERY that comes in the last phases is ignored by the server: the table is then done, and
// Result.Late says that the kill came too late.
//
// # Executors
//
// With the method plugin a program of others works in place of our statement (Executor), between the
// same settings, lock, Permit and mark. How it ended is read on the server: its sessions are ended,
// the definition is compared with the one of the mark, what it left is removed by it or is a failure,
// and the tablespace says whether the table was rebuilt. After a crash the executor's sessions that
// are still there are ended, not adopted: nobody watches over them. When this process stops, its
// executor stops too.
//
// # What it does not do
//
// It does not decide whether a server may be touched (guard), when (throttle) or what next
// (engine). It never uses OPTIMIZE on InnoDB (failures come as rows there), never ENGINE= (which
// converts), never sets read_only.
package rebuild
