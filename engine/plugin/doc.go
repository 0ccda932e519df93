// Package plugin lets programs of others take part in jobs, so that none of them can harm a host.
//
// # Kinds
//
//	validator   judge                      is asked with the guard; can only refuse
//	executor    can, rebuild, clean        rebuilds one table in place of our ALTER
//	hook        before_node, after_node    takes a server out of service and puts it back
//	disk        free_disk                  tells what is free, where the server cannot
//
// # Contract, version 1
//
// A command gets one JSON object in one line on its standard input and answers with one JSON object
// on its standard output, then exits with 0. An HTTP service gets the same object by POST and
// answers with it and status 200. Every plugin answers hello, which is the handshake.
//
//	▶ {"contract":1,"action":"hello","timeout_seconds":10}
//	◀ {"contract":1,"action":"hello","result":"ok","kind":"validator","version":"1.2"}
//
//	▶ {"contract":1,"action":"judge","timeout_seconds":2,"cluster":"db-prod","host":{"name":"db-prod-3",
//	   "address":"10.0.0.3","port":3306,"role":"replica",…},"running":false}
//	◀ {"contract":1,"action":"judge","result":"no","sentence":"it is in maintenance","evidence":"ticket 4711"}
//
// Request has every field. An answer repeats contract and action; its result is "ok" or "no", and
// nothing else is an answer. sentence says why in words for people; both texts are cut and cleaned.
//
// A command is never run through a shell. Its environment is PATH, LANG and what its configuration
// names: nothing of ours. Its standard input is closed behind the request, except that of rebuild,
// which stays open for as long as the work is wanted: its end says stop, also when our process died.
// Its standard error goes to our log, line by line, cut, without what looks like a secret.
//
// # Executors
//
// An executor works under a login of its own that is in no request; nobody else may use that account,
// because sessions of it are killed on the server when its work must end. rebuild is asked while our
// session holds the host's lock and after the guard permitted that session. Names it makes are
// _TABLE_new, _TABLE_old and triggers of the table; clean removes them. What it says of its success
// is not believed: the server is looked at (package rebuild).
//
// # Hooks
//
// before_node and after_node can be asked again at any time, also after_node where before_node never
// came through: the journal says that before_node is about to be asked before it is asked, and
// whoever finds that asks after_node.
//
// # Disks
//
// free_disk is answered in bytes, those of the data directory and of temporary files, and whether both
// are on one file system; what is left out is not known, and "no" says that nothing is.
//
//	◀ {"contract":1,"action":"free_disk","result":"ok","data":536870912000,"tmp":21474836480,"shared":false}
//
// An answer is good for ten seconds. No answer holds starts back, unless a size is written down.
//
// # Failure behaviour
//
// No answer in time, an exit code other than 0, output beyond 64 KiB, anything that is not the JSON
// above, another contract or action, a result we do not know: all are one *Error and never a yes. A
// command that does not end has its whole process group killed; what it left running in it is killed
// also when it answered well. A process that leaves its group (setsid) is beyond that: of executors
// the server's own record of sessions decides.
//
// # What it does not do
//
// It does not decide what a no means (guard, engine), keeps nothing, and restarts nothing.
package plugin
