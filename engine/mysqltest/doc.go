// Package mysqltest boots throw-away replication topologies of real MySQL and
// MariaDB servers on loopback, for tests, benchmarks and the demo.
//
// The flow of Start:
//
//	find the server binary      RECYCLER_MYSQLD, the system, or the package cache
//	 └─ template data directory built once per binary, kept in the cache folder
//	     └─ one copy per node   own folder, own address 127.0.97-120.x, one free port
//	         └─ boot in parallel, as an unprivileged user
//	             └─ CHANGE REPLICATION SOURCE / MASTER, wait until both threads run
//
// Nothing outlives the process that called Start. Every server announces its
// process id to a small shell before it becomes a server, through a pipe that
// only our process holds open; when our process ends in any way, kill -9
// included, the pipe closes and the shell kills the servers and removes their
// folder. Stop uses the same road, so there is one way to die and it is used
// every time.
//
// When a server does not come up, the error quotes the end of its log. A
// missing binary is a *MissingServerError which names the command to install
// it; tests are meant to fail with it and not to skip.
//
// The package does not import testing outside its own tests, so the demo can
// use it. It trades durability for speed (no sync, no doublewrite buffer unless
// asked): a server survives kill -9 of itself, not a crash of the machine. It
// needs Linux, where all of 127.0.0.0/8 is loopback. A cluster has a handful of
// accounts without or with well-known passwords: never bind it elsewhere.
package mysqltest
