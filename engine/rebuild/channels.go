package rebuild

import (
	"context"
	"fmt"

	"mysql-recycler/engine/dbconn"
)

// channel is one replication channel of a server.
type channel struct {
	name    string
	running bool // its applier
}

// change is the name of the channel's applier in a Change.
func (c channel) change() string {
	if c.name == "" {
		return changeApplier
	}
	return changeApplier + ":" + c.name
}

// statement stops or starts the channel's applier. The channel is named, so that no other one is
// touched; MariaDB names connections with a string before the thread's type.
func (c channel) statement(v dbconn.Version, start bool) string {
	verb := "STOP"
	if start {
		verb = "START"
	}
	quoted := quoteString(c.name)
	switch {
	case v.Flavor == dbconn.MariaDB:
		return verb + " SLAVE " + quoted + " SQL_THREAD"
	case !v.AtLeast(5, 7, 0): // channels came with 5.7
		return verb + " SLAVE SQL_THREAD"
	case v.AtLeast(8, 0, 22):
		return verb + " REPLICA SQL_THREAD FOR CHANNEL " + quoted
	}
	return verb + " SLAVE SQL_THREAD FOR CHANNEL " + quoted
}

// appliers lists the channels of a server.
func appliers(ctx context.Context, srv *dbconn.Server) ([]channel, error) {
	d := srv.Version.Dialect()
	rows, err := srv.QueryContext(ctx, d.ShowStatus)
	if err != nil {
		return nil, fmt.Errorf("read the replica status of %s: %w", srv.Name, err)
	}
	defer func() { _ = rows.Close() }()
	list, err := dbconn.ReadRows(rows)
	if err != nil {
		return nil, fmt.Errorf("read the replica status of %s: %w", srv.Name, err)
	}
	var out []channel
	for _, r := range list {
		if r.Text(d.Columns.SourceHost) != "" {
			out = append(out, channel{name: r.Text(d.Columns.Channel), running: r.Text(d.Columns.SQLRunning) == "Yes"})
		}
	}
	return out, nil
}

// quoteString quotes a value for statements that take no parameters. Channel names are made of
// characters that need no escaping but quotes and backslashes; both are doubled or escaped.
func quoteString(s string) string {
	out := make([]byte, 0, len(s)+2)
	out = append(out, '\'')
	for i := range len(s) {
		switch s[i] {
		case '\'', '\\':
			out = append(out, '\\', s[i])
		case 0:
		default:
			out = append(out, s[i])
		}
	}
	return string(append(out, '\''))
}
