// Package gtid does set arithmetic on global transaction identifiers, so that two servers can be
// compared without asking either of them to do it.
//
// Set is MySQL's: intervals per server UUID and, since 8.3, per tag. State is MariaDB's
// gtid_binlog_state: the last sequence number per domain and server. Both are values: operations
// return new ones. Texts longer than a server sends are not a concern; texts that are not GTIDs
// are errors, and whoever judges with them treats an error as unknown.
package gtid
