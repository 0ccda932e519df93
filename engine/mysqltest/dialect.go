package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
)

// The account replicas log in with. Loopback only, throw-away servers.
const replUser, replPass = "repl", "repl-throwaway"

// dialect is what differs between the flavors in how replication is set up and
// waited for.
type dialect struct {
	flavor  Flavor
	version string
}

func (c *Cluster) dialect() dialect { return dialect{flavor: c.Flavor, version: c.Version} }

// newWords tells whether the server says SOURCE and REPLICA: 8.0.23 is the
// first that takes them in all statements used here, 8.4 takes nothing else.
func (d dialect) newWords() bool {
	return d.flavor != MariaDB && versionAtLeast(d.version, 8, 0, 23)
}

// templateAccounts makes the replication account and removes the anonymous ones
// old servers come with, which would shadow 'user'@'%' on localhost.
func (d dialect) templateAccounts() []string {
	out := []string{
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", replUser, replPass),
		fmt.Sprintf("GRANT REPLICATION SLAVE ON *.* TO '%s'@'%%'", replUser),
	}
	if d.flavor == MySQL56 && !versionAtLeast(d.version, 5, 7, 0) {
		out = append(out, "DELETE FROM mysql.user WHERE User=''", "DELETE FROM mysql.db", "DROP DATABASE IF EXISTS test", "FLUSH PRIVILEGES")
	}
	return out
}

// follow points a server at source and starts replication by GTID.
func (d dialect) follow(source *Node) string {
	switch {
	case d.flavor == MariaDB:
		return fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', "+
			"MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos; START SLAVE", source.Host, source.Port, replUser, replPass)
	case d.newWords():
		// The public key is asked for because the connection has no TLS and the
		// default password plugin does not send passwords in clear.
		return fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%d, SOURCE_USER='%s', SOURCE_PASSWORD='%s', "+
			"SOURCE_CONNECT_RETRY=1, SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA", source.Host, source.Port, replUser, replPass)
	default:
		return fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', "+
			"MASTER_CONNECT_RETRY=1, MASTER_AUTO_POSITION=1; START SLAVE", source.Host, source.Port, replUser, replPass)
	}
}

// unfollow ends replication and forgets the source.
func (d dialect) unfollow() string {
	if d.newWords() {
		return "STOP REPLICA; RESET REPLICA ALL"
	}
	return "STOP SLAVE; RESET SLAVE ALL"
}

// setReadOnly switches read_only, and super_read_only where it exists.
func (d dialect) setReadOnly(on bool) string {
	value := 0
	if on {
		value = 1
	}
	if d.flavor == MariaDB || !versionAtLeast(d.version, 5, 7, 8) {
		return fmt.Sprintf("SET GLOBAL read_only=%d", value)
	}
	if on {
		return "SET GLOBAL super_read_only=1" // switches read_only on too
	}
	return "SET GLOBAL super_read_only=0; SET GLOBAL read_only=0"
}

// status is the replication state in the words we use here.
type status struct {
	configured, io, sql bool
	lastError           string
}

// replicaStatus reads the first channel's state.
func (d dialect) replicaStatus(ctx context.Context, db *sql.DB) (status, error) {
	query, role := "SHOW SLAVE STATUS", "Slave"
	if d.newWords() {
		query, role = "SHOW REPLICA STATUS", "Replica"
	}
	rows, err := queryRows(ctx, db, query)
	if err != nil || len(rows) == 0 {
		return status{}, err
	}
	r := rows[0]
	s := status{configured: true, io: r[role+"_IO_Running"] == "Yes", sql: r[role+"_SQL_Running"] == "Yes"}
	for _, column := range []string{"Last_SQL_Error", "Last_IO_Error"} {
		if r[column] != "" {
			s.lastError = column + ": " + r[column]
		}
	}
	return s, nil
}

// executed is the GTID position of everything the server has in its binary log.
func (d dialect) executed(ctx context.Context, db *sql.DB) (string, error) {
	query := "SELECT @@GLOBAL.gtid_executed"
	if d.flavor == MariaDB {
		query = "SELECT @@GLOBAL.gtid_binlog_pos"
	}
	var pos string
	err := db.QueryRowContext(ctx, query).Scan(&pos)
	return pos, err
}

// applied tells whether a replica has applied pos.
func (d dialect) applied(ctx context.Context, db *sql.DB, pos string) (bool, error) {
	query := "SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)"
	if d.flavor == MariaDB {
		// Waiting zero seconds is MariaDB's way to ask; it answers -1 for no.
		query = "SELECT MASTER_GTID_WAIT(?, 0) = 0"
	}
	var yes bool
	err := db.QueryRowContext(ctx, query, pos).Scan(&yes)
	return yes, err
}

// queryRows reads rows by column name: SHOW statements have no fixed columns.
func queryRows(ctx context.Context, db *sql.DB, query string) ([]map[string]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", short(query), err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", short(query), err)
	}
	var out []map[string]string
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("%s: %w", short(query), err)
		}
		row := make(map[string]string, len(columns))
		for i, c := range columns {
			row[c] = values[i].String
		}
		out = append(out, row)
	}
	return out, rows.Err()
}
