package rebuild

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// Running is a statement found in a server's process list.
type Running struct {
	ConnectionID uint64
	Job          string // of ours; empty for a foreign one
	Step         int
	Info         string // our statement; for a foreign one what it is, in words, without its text
	State        string // what the server says it does
	Seconds      int64
}

// String names a running statement for people.
func (r Running) String() string {
	switch {
	case r.Job != "":
		return fmt.Sprintf("job %s, step %d (connection %d, running for %d s)", r.Job, r.Step, r.ConnectionID, r.Seconds)
	case r.Info != "":
		return fmt.Sprintf("%s (connection %d, running for %d s)", r.Info, r.ConnectionID, r.Seconds)
	}
	return fmt.Sprintf("connection %d", r.ConnectionID)
}

// processes reads the process list. SHOW FULL PROCESSLIST exists on every version, is not cut at
// 1024 characters, and carries no text of ours that a search for our tag could find. It needs
// PROCESS.
func processes(ctx context.Context, q dbconn.Querier) ([]dbconn.Row, error) {
	rows, err := q.QueryContext(ctx, "SHOW FULL PROCESSLIST")
	if err != nil {
		return nil, fmt.Errorf("read the process list: %w", err)
	}
	defer func() { _ = rows.Close() }()
	out, err := dbconn.ReadRows(rows)
	if err != nil {
		return nil, fmt.Errorf("read the process list: %w", err)
	}
	return out, nil
}

// FindOurs lists the statements on a server that carry our tag, whoever started them.
func FindOurs(ctx context.Context, q dbconn.Querier) ([]Running, error) {
	list, err := processes(ctx, q)
	if err != nil {
		return nil, err
	}
	var out []Running
	for _, p := range list {
		if job, step, ok := parseTag(p.Text("Info")); ok {
			r := running(p)
			r.Job, r.Step, r.Info = job, step, p.Text("Info")
			out = append(out, r)
		}
	}
	return out, nil
}

// running fills in what every row has.
func running(p dbconn.Row) Running {
	id, _ := p.Int("Id")
	seconds, _ := p.Int("Time")
	return Running{ConnectionID: uint64(id), State: p.Text("State"), Seconds: seconds}
}

// foreign tells what somebody else's statement is. The order matters: tools mark their statements
// with comments or table names, and those say more than ALTER or INSERT does.
var foreign = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`(?i)/\* gh-ost|_gh[ock]\b`), "gh-ost"},
	{regexp.MustCompile(`(?i)pt-online-schema-change`), "pt-online-schema-change"},
	{regexp.MustCompile(`(?i)^\s*(alter\s+(/\*.*?\*/\s*)?(online\s+)?(ignore\s+)?table|(create|drop)\s+(unique\s+|fulltext\s+|spatial\s+)?index|optimize|repair|truncate)\b`), "a schema change"},
	{regexp.MustCompile(`(?i)^\s*(lock\s+instance\s+for\s+backup|backup\s+(stage|lock)|flush\s+tables\s+with\s+read\s+lock|lock\s+tables\s+for\s+backup)`), "a backup"},
	{regexp.MustCompile(`(?i)/\*!40001 SQL_NO_CACHE \*/`), "mysqldump"},
}

// Foreign lists what others do on a server that a rebuild must not meet: schema changes of
// people, gh-ost, pt-online-schema-change, backups. The replication applier's own DDL counts too.
func Foreign(ctx context.Context, q dbconn.Querier) ([]Running, error) {
	list, err := processes(ctx, q)
	if err != nil {
		return nil, err
	}
	var out []Running
	for _, p := range list {
		info := p.Text("Info")
		if _, _, ours := parseTag(info); ours || info == "" {
			continue
		}
		for _, f := range foreign {
			if f.pattern.MatchString(info) {
				r := running(p)
				r.Info = f.what + " of " + account(p)
				out = append(out, r)
				break
			}
		}
	}
	return out, nil
}

// account is who runs a statement.
func account(p dbconn.Row) string {
	host := p.Text("Host")
	if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.Contains(host[:i], ":") {
		host = host[:i] // the client's port says nothing
	}
	if p.Text("User") == "system user" {
		return "replication"
	}
	return p.Text("User") + "@" + host
}
