// Package backup writes all state of the product into one encrypted file while it is in use, and
// makes a database of such a file again.
//
// # The file
//
//	recycler-20261123T033000Z.age = age( gzip( tar( manifest.json, state.db ) ) )
//
// state.db is a SQLite file whatever the database is, so a backup of a PostgreSQL database can be
// looked at, and restored, on a laptop. age (X25519 recipients) encrypts and authenticates: a file
// that was cut short or changed by one bit does not open. The machine that makes backups needs only
// the recipient, not the identity that opens them. manifest.json says who made it, when, of which
// schema, the end of the audit chain, and per table the number of rows and a hash over all of them.
//
// # Making one
//
//	copy the database (one state, writes go on) ─▶ hash and count ─▶ encrypt into .tmp ─▶ sync
//	 ─▶ rename ─▶ remove the oldest beyond keep
//
// A name that ends in .age is therefore always a whole file. The plain copy lives in a folder of
// its own below the system's temporary folder, readable by nobody else, for as long as it is
// needed; what a killed process left, the next one removes.
//
// # Verifying and restoring
//
// Verify opens the file, compares it with its manifest, lets SQLite check it, recomputes the audit
// chain, restores it into a scratch database and compares every table there. Restore does the same
// and then puts the database in place: a SQLite file by one rename beside which the old file stays,
// a PostgreSQL database by one transaction into an empty one. Killed at any moment, it leaves
// either the old state or the new, never a part.
//
// What happened after a backup was made is not in it. So jobs that had not ended then are ended as
// failed by Restore, a table that was being rebuilt is unknown, and nothing is run again before a
// person asks; settings of servers that were to be put back are put back by the next start. A
// message that was posted after the backup may be posted once more.
//
// # What it does not do
//
// It does not copy the queue's own rows nor the lease of the active bot, it does not carry files
// elsewhere, and it does not keep the key: a backup whose identity is lost is lost.
package backup
