package demo

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"mysql-recycler/engine/mysqltest"
)

// record is what a server itself says, read with statements of the demo's own: nothing here goes
// through the engine that is being checked.
type record struct {
	readOnly string
	gtids    string           // transactions that carry this server's own name
	sizes    map[string]int64 // bytes of each table's file
	logged   int              // length of the general log
}

// read takes the record of one node.
func (w *world) read(ctx context.Context, n *mysqltest.Node) (r record, err error) {
	ro, super, err := readOnly(ctx, n, w.flavor())
	if err != nil {
		return r, err
	}
	if r.readOnly = "read_only=" + ro; super != "" {
		r.readOnly += " super_read_only=" + super
	}
	if r.gtids, err = ownGTIDs(ctx, n, w.flavor()); err != nil {
		return r, err
	}
	if r.sizes, err = sizes(ctx, n, w.flavor()); err != nil {
		return r, err
	}
	text, err := n.GeneralLog()
	r.logged = len(text)
	return r, err
}

// readAll takes the record of every node, in the order of names.
func (w *world) readAll(ctx context.Context) ([]record, error) {
	var rs []record
	for i, n := range w.cluster.Nodes {
		r, err := w.read(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("read the record of %s: %w", names[i], err)
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// statements are the general log's lines since a record was taken that hold the pattern.
func statements(n *mysqltest.Node, since record, pattern *regexp.Regexp) ([]string, error) {
	text, err := n.GeneralLog()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, line := range strings.Split(text[min(since.logged, len(text)):], "\n") {
		if pattern.MatchString(line) {
			found = append(found, line)
		}
	}
	return found, nil
}

// readOnly are both settings of a server, as 0 or 1; MariaDB has no super_read_only.
func readOnly(ctx context.Context, n *mysqltest.Node, f mysqltest.Flavor) (ro, super string, err error) {
	q := "SELECT @@global.read_only, ''"
	if f == mysqltest.MySQL {
		q = "SELECT @@global.read_only, @@global.super_read_only"
	}
	err = n.DB().QueryRowContext(ctx, q).Scan(&ro, &super)
	return ro, super, err
}

// ownGTIDs are the transactions a server made under its own name: a binlog-off rebuild makes none.
func ownGTIDs(ctx context.Context, n *mysqltest.Node, f mysqltest.Flavor) (string, error) {
	q := "SELECT CONCAT(@@global.gtid_executed, '|', @@server_uuid)"
	if f == mysqltest.MariaDB {
		q = "SELECT CONCAT(@@global.gtid_binlog_state, '|', @@server_id)"
	}
	var s string
	if err := n.DB().QueryRowContext(ctx, q).Scan(&s); err != nil {
		return "", err
	}
	set, self, _ := strings.Cut(s, "|")
	var own []string
	for _, part := range strings.Split(strings.ReplaceAll(set, "\n", ""), ",") {
		mine := strings.HasPrefix(strings.TrimSpace(part), self+":")
		if f == mysqltest.MariaDB { // domain-server-sequence
			p := strings.Split(part, "-")
			mine = len(p) == 3 && p[1] == self
		}
		if mine {
			own = append(own, part)
		}
	}
	return strings.Join(own, ","), nil
}

// sizes are the bytes of every table's file of the demo's schemas.
func sizes(ctx context.Context, n *mysqltest.Node, f mysqltest.Flavor) (map[string]int64, error) {
	view := "INNODB_TABLESPACES"
	if f == mysqltest.MariaDB {
		view = "INNODB_SYS_TABLESPACES"
	}
	rows, err := n.DB().QueryContext(ctx, "SELECT NAME, FILE_SIZE FROM information_schema."+view+
		" WHERE NAME LIKE 'shop/%' OR NAME LIKE 'crm/%'")
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func collect(rows *sql.Rows) (map[string]int64, error) {
	defer func() { _ = rows.Close() }() // Err below tells
	out := map[string]int64{}
	for rows.Next() {
		var name string
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			return nil, err
		}
		out[strings.Replace(name, "/", ".", 1)] = size
	}
	return out, rows.Err()
}

// total sums the files of one schema.
func (r record) total(schema string) (sum int64) {
	for name, size := range r.sizes {
		if strings.HasPrefix(name, schema+".") {
			sum += size
		}
	}
	return sum
}
