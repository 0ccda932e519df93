// Package throttle tells whether a server can take a rebuild now.
//
// # Flow
//
//	Check ─▶ every limit is compared ─▶ Verdict: go, wait (with the reasons), or critical
//	Wait   repeats Check until nothing holds the start back
//	During repeats the checks that make sense beside a running statement; *Critical ends it
//
// A native ALTER cannot be paused, so most limits are gates between tables. Beside a running
// statement only two are looked at: lag and free disk, by their critical bounds. What concerns the server
// as a whole (lag, threads, history) is asked at most once a second as long as it holds nothing back.
//
// # Signals
//
// Lag of the target and of everything that replicates from it (the delay a replica keeps on
// purpose is taken off), threads running, transactions that would hold the metadata lock of the
// table, the length of InnoDB's history, free disk of the data directory and of temporary files. A reason is one comparison:
// "replica_lag 14 s > 10 s on db-prod-3".
//
// # Failure behaviour
//
// A metric that cannot be read holds a start back, with the reason: a stopped receiver or an
// unreachable replica is not "no lag". Beside a running statement an unreadable metric is not a
// reason to throw its work away; only a bound that is seen to be broken is.
//
// # What it does not do
//
// It kills nobody: not the holder of a lock, not our own statement. It does not know maintenance
// windows or how many tables run at once; the Dispatcher does.
package throttle
