package demo

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/engine/mysqltest"
)

// truth is a server's place in the topology, in its own words.
type truth struct {
	name          string
	source        string // the name of whom it replicates from; empty: from nobody
	version       string // as in "MySQL 9.7.4"
	readOnly      string // 0 or 1
	superReadOnly string // 0 or 1; empty: the server has none
	lag           string // seconds behind its source; empty: it has none
}

// role is what its links make of a server.
func (t truth) role(all []truth) string {
	serves := slices.ContainsFunc(all, func(o truth) bool { return o.source == t.name })
	switch {
	case t.source == "":
		return "primary"
	case serves:
		return "intermediate"
	}
	return "replica"
}

// truths asks every server, in the order of names.
func (w *world) truths(ctx context.Context) ([]truth, error) {
	all := make([]truth, len(names))
	for i, n := range w.cluster.Nodes {
		t := truth{name: names[i]}
		var err error
		if t.version, err = version(ctx, n, w.flavor()); err != nil {
			return nil, fmt.Errorf("ask %s for its version: %w", names[i], err)
		}
		if t.readOnly, t.superReadOnly, err = readOnly(ctx, n, w.flavor()); err != nil {
			return nil, fmt.Errorf("ask %s whether it is read-only: %w", names[i], err)
		}
		if t.source, t.lag, err = w.source(ctx, n); err != nil {
			return nil, fmt.Errorf("ask %s for its source: %w", names[i], err)
		}
		all[i] = t
	}
	return all, nil
}

func version(ctx context.Context, n *mysqltest.Node, f mysqltest.Flavor) (string, error) {
	var s string
	if err := n.DB().QueryRowContext(ctx, "SELECT VERSION()").Scan(&s); err != nil {
		return "", err
	}
	number, _, _ := strings.Cut(s, "-")
	if f == mysqltest.MariaDB {
		return "MariaDB " + number, nil
	}
	return "MySQL " + number, nil
}

// source is whom a server replicates from, and how far it is behind.
func (w *world) source(ctx context.Context, n *mysqltest.Node) (name, lag string, err error) {
	query, word := "SHOW REPLICA STATUS", "Source"
	if w.flavor() == mysqltest.MariaDB {
		query, word = "SHOW SLAVE STATUS", "Master"
	}
	rows, err := n.DB().QueryContext(ctx, query)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = rows.Close() }() // Err below tells
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		return "", "", cmp.Or(err, rows.Err())
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return "", "", err
	}
	at := func(column string) string {
		if i := slices.Index(columns, column); i >= 0 {
			return values[i].String
		}
		return ""
	}
	addr := at(word+"_Host") + ":" + at(word+"_Port")
	i := slices.IndexFunc(w.cluster.Nodes, func(o *mysqltest.Node) bool { return o.Addr() == addr })
	if i < 0 {
		return "", "", fmt.Errorf("it replicates from %s, which is no server of the demo", addr)
	}
	return names[i], at("Seconds_Behind_" + word), rows.Err()
}
