// Package rebuild rebuilds one table, or one partition of it, on one server, so that exactly what was promised happens or
// nothing does, and so that whoever comes after a crash can tell which.
//
// # Flow
//
//	Choose            the statement: kind, algorithm, lock, with the reason; ChoosePartition for one partition
//	Lift              super_read_only off, written down first; MariaDB has none
//	Acquire           a pinned session that holds GET_LOCK('recycler:<slot>')
//	 └─ Fence.Run     settings of the session, read back ─▶ Permit ─▶ mark stored by Begin
//	                  ─▶ ALTER /* recycler job=… step=… */ TABLE … FORCE, ALGORITHM=…, LOCK=…, or REBUILD PARTITION …
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
// Then the tablespace id of the table or partition (CREATE_TIME where there is none) is compared with the
// mark, which holds the greatest id of the whole table, so that another partition says nothing of this one:
//
//	other than before   the earlier run finished       ─▶ Adopted, nothing is run
//	as before           the earlier run did nothing    ─▶ it runs now
//	table gone          somebody dropped it            ─▶ Failed, ClassTableGone
//	cannot be read      nobody knows                   ─▶ Unknown, never run again
//
// Before the table is run now, the session of the mark is ended if it still holds its fence: its
// process may only be frozen, with the statement still to be sent.
//
// # With the applier stopped
//
// Change ─▶ STOP, at most 30 s ─▶ purge through (methods chosen for the lost-rows bug) ─▶ rows counted,
// the number stored with the mark ─▶ the statement ─▶ rows counted again ─▶ START ─▶ Restored.
// Every end starts the applier again but two: a statement goes on, or may go on, on the server (whoever
// adopts it starts the applier after it), and the server takes writes now and did not before (it was
// promoted with its channel kept). A STOP that does not end in time cannot be taken back; a START is
// sent behind it. A START that fails is tried again; the table stays done and the Change open.
//
// # OPTIMIZE
//
// Killed in its repair, OPTIMIZE leaves a MyISAM table marked as crashed, on which the applier breaks
// (tried on MySQL 9.7 and MariaDB 10.11). It is never killed: a stop ends its wait for the lock, which
// LockWait bounds, and otherwise waits for the table.
//
// # Session settings
//
// None is set for speed, because none measured faster. Ratio of time to the default on MySQL 9.7 with
// two cores: innodb_ddl_threads 1: 1.30, 2: 1.02, 8: 0.93; innodb_parallel_read_threads 1: 1.02;
// innodb_ddl_buffer_size 4M to 32M: 0.96 to 1.01, 64M: 1.07 to 1.11, 256M: 1.23;
// innodb_flush_log_at_trx_commit 2 (global): 0.97. With two tables at once: innodb_ddl_threads 1 or 2,
// innodb_parallel_read_threads 1, both, or a buffer of 8M to 32M: 0.91 to 1.03. All but the big buffers and
// the single thread lie within the noise of those runs. Two tables at once are the lever: 0.63 to 0.75.
// What is set protects: sql_log_bin, lock waits, foreign_key_checks, sql_mode.
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
