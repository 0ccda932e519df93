// Package dbconn reaches one MySQL or MariaDB server: who may be reached, with which account, in
// which dialect, and on which connection a statement runs.
//
// # Flow
//
//	Access.Open(addr) ─▶ allowed? ─▶ secret ─▶ dial ─▶ who are you? ─▶ Server ─▶ Session
//	                       │ no        (per dial)        one statement     pool      pinned
//	                       ▼
//	                 NotAllowedError, before the name is resolved
//
// Access.Visit is the same for one short look: one connection, several constant statements in one
// round trip. Discovery uses it.
//
// A Server holds a small pool for reading, bounded by Access.ReadTimeout. A Session is one pinned
// connection without that bound: it is where anything that changes a server runs, and it never
// reconnects. Every connection of a Server, the first and each later one, is asked for its
// identity before it is used, so that a moved virtual address or a proxy cannot slip another
// server under a Server that was opened earlier.
//
// # Dialect
//
// The server is asked once what it is (SHOW GLOBAL VARIABLES answers on every version and leaves
// out what a version does not have). Statement texts follow from the version; nothing is tried
// until it works.
//
// # Failure behaviour
//
// A refused address is a *NotAllowedError, a server that could not be reached a *ConnectError
// with a class; both are sentences for people. Server errors are told apart by number (Code),
// never by text. Lost says that the connection broke: the statement may still run.
//
// # What it does not do
//
// It retries nothing, logs nothing, and never prints a password or a raw grant.
package dbconn
