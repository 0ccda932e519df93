package rebuild

import (
	"errors"
	"fmt"

	"mysql-recycler/engine/dbconn"
)

// Class names a situation in which a rebuild ends.
type Class string

// Classes.
const (
	ClassKilled     Class = "killed"     // our KILL QUERY (1317)
	ClassLockWait   Class = "lock_wait"  // lock_wait_timeout ran out (1205)
	ClassDeadlock   Class = "deadlock"   // 1213, among foreign keys
	ClassOnlineLog  Class = "online_log" // too many changes during the rebuild (1799)
	ClassDuplicate  Class = "duplicate"  // 1062 that is none: a known bug of online rebuilds
	ClassDiskFull   Class = "disk_full"  // 1114, 1021, 3
	ClassTableGone  Class = "table_gone" // dropped or renamed since the plan (1146, 1049)
	ClassUnsuitable Class = "unsuitable" // the server cannot do it as promised (1845, 1846, 1800)
	ClassReadOnly   Class = "read_only"  // 1290, 1792
	ClassPrivilege  Class = "privilege"  // 1142, 1227, 1044, 1045
	ClassBinlog     Class = "binlog"     // sql_log_bin is not what the mode needs
	ClassPromoted   Class = "promoted"   // the server is no replica any more
	ClassLost       Class = "lost"       // the connection broke; what the server did was looked up
	ClassUnknown    Class = "unknown"    // nobody knows what the server did
	ClassRefused    Class = "refused"    // Permit said no
	ClassRows       Class = "rows"       // the row count changed
	ClassBroken     Class = "broken"     // the table is damaged (OPTIMIZE said so)
	ClassPurge      Class = "purge"      // what was deleted before is not gone yet
	ClassApplier    Class = "applier"    // the applier did not stop in time
	ClassExecutor   Class = "executor"   // an executor did something else than it should
	ClassOther      Class = "other"
)

// Error is the end of a rebuild that did not succeed, for people and for the decision what next.
// A retryable one left the table as it was.
type Error struct {
	Class  Class
	Number uint16 // of the server, 0 when it comes from us
	Retry  bool   // trying again soon can help
	Text   string // one sentence
	Advice string // what to do
	Err    error
}

// Sentinels for errors.Is; they compare by class.
var (
	ErrKilled     = &Error{Class: ClassKilled}
	ErrLockWait   = &Error{Class: ClassLockWait}
	ErrDeadlock   = &Error{Class: ClassDeadlock}
	ErrOnlineLog  = &Error{Class: ClassOnlineLog}
	ErrDiskFull   = &Error{Class: ClassDiskFull}
	ErrTableGone  = &Error{Class: ClassTableGone}
	ErrUnsuitable = &Error{Class: ClassUnsuitable}
	ErrReadOnly   = &Error{Class: ClassReadOnly}
	ErrPrivilege  = &Error{Class: ClassPrivilege}
	ErrBinlog     = &Error{Class: ClassBinlog}
	ErrPromoted   = &Error{Class: ClassPromoted}
	ErrLost       = &Error{Class: ClassLost}
	ErrUnknown    = &Error{Class: ClassUnknown}
	ErrRefused    = &Error{Class: ClassRefused}
	ErrRows       = &Error{Class: ClassRows}
	ErrBroken     = &Error{Class: ClassBroken}
	ErrPurge      = &Error{Class: ClassPurge}
	ErrApplier    = &Error{Class: ClassApplier}
)

// Error implements error.
func (e *Error) Error() string {
	text := "rebuild: " + string(e.Class)
	if e.Number != 0 {
		text += fmt.Sprintf(" (error %d)", e.Number)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	} else if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes the sentinels work.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Class == e.Class
}

// Sentence says it to people.
func (e *Error) Sentence() string {
	if e.Text == "" {
		return "The rebuild ended with an error."
	}
	return e.Text
}

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

// situation is what an error number means here.
type situation struct {
	class        Class
	retry        bool
	text, advice string
}

// situations by error number of the server. The numbers are stable across versions and flavors.
// https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
var situations = map[uint16]situation{
	1317: {ClassKilled, false, "The statement was stopped and the table is as it was.", ""},
	1205: {ClassLockWait, true, "The table was in use and its lock was not given in time; the table is as it was.",
		"Wait for the transaction that holds it, or let the job try again."},
	1213: {ClassDeadlock, true, "The server saw a deadlock and chose our statement; the table is as it was.", "It is tried again."},
	1799: {ClassOnlineLog, false, "More was written to the table during the rebuild than innodb_online_alter_log_max_size holds; the table is as it was.",
		"Ask again with --check-rows, which stops the replication of the host for this table, try at a quieter time, or raise innodb_online_alter_log_max_size."},
	1062: {ClassDuplicate, false, "The server reported a duplicate key that the table does not have, a known bug of online rebuilds under writes; the table is as it was.",
		"Rebuild it with the applier stopped."},
	1114: {ClassDiskFull, false, "The disk is full; the server took the new file back and the table is as it was.", "Free space on the server before the job goes on."},
	1021: {ClassDiskFull, false, "The disk is full; the server took the new file back and the table is as it was.", "Free space on the server before the job goes on."},
	1878: {ClassDiskFull, false, "The disk for temporary files is full; the table is as it was.", "Free space where tmpdir or innodb_tmpdir points."},
	1146: {ClassTableGone, false, "The table is gone since the plan was made.", "Discover again and make a new plan."},
	1049: {ClassTableGone, false, "The schema is gone since the plan was made.", "Discover again and make a new plan."},
	1507: {ClassTableGone, false, "The partition is gone since the plan was made.", "Discover again and make a new plan."},
	1505: {ClassTableGone, false, "The partition is gone since the plan was made.", "Discover again and make a new plan."},
	1735: {ClassTableGone, false, "The partition is gone since the plan was made.", "Discover again and make a new plan."},
	1845: {ClassUnsuitable, false, "The server cannot rebuild this table the way that was approved; nothing was done.", "Discover again; the table or the server changed since the plan."},
	1846: {ClassUnsuitable, false, "The server cannot rebuild this table the way that was approved; nothing was done.", "Discover again; the table or the server changed since the plan."},
	1800: {ClassUnsuitable, false, "The server does not know the algorithm that was approved; nothing was done.", "Discover again; the server's version changed since the plan."},
	1347: {ClassUnsuitable, false, "It is a view now, not a table; nothing was done.", "Discover again and make a new plan."},
	1290: {ClassReadOnly, false, "The server is read-only for our account; nothing was done.", "Somebody switched super_read_only on, or the account misses a privilege."},
	1792: {ClassReadOnly, false, "The session is read-only; nothing was done.", "Check transaction_read_only of the server."},
	1142: {ClassPrivilege, false, "The account may not ALTER the table; nothing was done.", "Grant the privileges of the documentation."},
	1227: {ClassPrivilege, false, "The account misses a privilege; nothing was done.", "Grant the privileges of the documentation."},
	1044: {ClassPrivilege, false, "The account may not use the schema; nothing was done.", "Grant the privileges of the documentation."},
	1045: {ClassPrivilege, false, "The account was refused; nothing was done.", "Grant the privileges of the documentation."},
}

// failure turns an error of the server into an *Error. An error without a number stays as it is.
func failure(err error) *Error {
	var mine *Error
	if errors.As(err, &mine) {
		return mine
	}
	return numbered(dbconn.Code(err), err)
}

// numbered is the *Error of a number of the server.
func numbered(number uint16, err error) *Error {
	s, known := situations[number]
	if !known {
		text := "The server ended the statement with an error; the table is as it was."
		if number != 0 {
			text = fmt.Sprintf("The server ended the statement with error %d; the table is as it was.", number)
		}
		return &Error{Class: ClassOther, Number: number, Text: text, Advice: "See the log for the server's answer.", Err: err}
	}
	if s.class == ClassDuplicate {
		err = nil // the server's text quotes the row
	}
	return &Error{Class: s.class, Number: number, Retry: s.retry, Text: s.text, Advice: s.advice, Err: err}
}
