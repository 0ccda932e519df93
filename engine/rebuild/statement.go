package rebuild

import (
	"fmt"
	"regexp"
	"strconv"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/throttle"
)

// Tag is the comment by which a statement of ours is found in the process list. The server keeps
// comments in PROCESSLIST.INFO; a client that strips them (mysql without --comments) would break
// recovery, the Go driver does not.
func Tag(job string, step int) string {
	return fmt.Sprintf(throttle.TagStart+"%s step=%d */", job, step)
}

// tagPattern finds our tag at the beginning of a statement, and nowhere else: a statement that
// searches for the tag carries it further back.
var tagPattern = regexp.MustCompile(`^(?:ALTER|OPTIMIZE) /\* recycler job=([A-Za-z0-9._-]{1,40}) step=(\d+) \*/ `)

// parseTag reads the job and step of a statement of ours.
func parseTag(statement string) (job string, step int, ok bool) {
	m := tagPattern.FindStringSubmatch(statement)
	if m == nil {
		return "", 0, false
	}
	step, err := strconv.Atoi(m[2])
	return m[1], step, err == nil
}

// Statement is the text sent to the server. ALGORITHM and LOCK are spelled out, so that the server
// refuses (1845, 1846) where it cannot do what was promised; for one partition only where the server
// takes them. FORCE keeps the engine.
func (t Task) Statement() (string, error) {
	tag, name := Tag(t.Job, t.Step), dbconn.QuoteName(t.Schema, t.Table)
	m := t.Method
	switch m.Kind {
	case Alter:
		if t.Partition != "" {
			return t.rebuildPartition(tag, name)
		}
		ok := m.Algorithm == Inplace && (m.Lock == LockNone || m.Lock == LockShared) || m.Algorithm == Copy && m.Lock == LockShared
		if !ok {
			return "", fmt.Errorf("no rebuild with ALGORITHM=%s, LOCK=%s", m.Algorithm, m.Lock)
		}
		return fmt.Sprintf("ALTER %s TABLE %s FORCE, ALGORITHM=%s, LOCK=%s", tag, name, m.Algorithm, m.Lock), nil
	case Optimize:
		// Not LOCAL: that needs a privilege of its own since 8.4 (OPTIMIZE_LOCAL_TABLE), and
		// sql_log_bin=0 keeps it out of the binary log as well.
		return fmt.Sprintf("OPTIMIZE %s TABLE %s", tag, name), nil
	}
	return "", fmt.Errorf("no statement for the method %q", m.Kind)
}

// rebuildPartition is the statement for one partition: with what MySQL 8.0+ can promise, or bare.
func (t Task) rebuildPartition(tag, name string) (string, error) {
	clauses := ""
	switch m := t.Method; {
	case m.Algorithm == Inplace && m.Lock == LockShared:
		clauses = "ALGORITHM=INPLACE, LOCK=SHARED, "
	case m.Algorithm != "" || m.Lock != "":
		return "", fmt.Errorf("no rebuild of one partition with ALGORITHM=%s, LOCK=%s", m.Algorithm, m.Lock)
	}
	return fmt.Sprintf("ALTER %s TABLE %s %sREBUILD PARTITION %s", tag, name, clauses, dbconn.QuoteName(t.Partition)), nil
}
