package dbconn

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// FactsSQL asks a server what it is. SHOW GLOBAL VARIABLES answers on every version of both
// flavors and leaves out the variables a version does not have, so it needs no dialect. Long values
// are cut at 1024 characters there, which is why GTID sets are not in the list.
const FactsSQL = `SHOW GLOBAL VARIABLES WHERE Variable_name IN (` +
	`'version','server_uuid','server_id','hostname','port','datadir',` +
	`'read_only','super_read_only','log_bin','log_slave_updates','log_replica_updates',` +
	`'gtid_mode','gtid_strict_mode','gtid_domain_id','performance_schema',` +
	`'wsrep_on','wsrep_provider','group_replication_group_name','aurora_version','maxscale_version')`

// Facts are the answers to FactsSQL by lower-case variable name. A variable the server does not
// have is missing.
type Facts map[string]string

// ReadFacts asks the server on the given connection.
func ReadFacts(ctx context.Context, q Querier) (Facts, error) {
	rows, err := q.QueryContext(ctx, FactsSQL)
	if err != nil {
		return nil, fmt.Errorf("ask the server what it is: %w", err)
	}
	defer func() { _ = rows.Close() }()
	answers, err := ReadRows(rows)
	if err != nil {
		return nil, fmt.Errorf("ask the server what it is: %w", err)
	}
	return FactsOf(answers), nil
}

// Again asks the server for the same variables once more, by their names: SHOW GLOBAL VARIABLES collects
// all that a server has before it chooses. One that appeared since (with a plugin) is not seen.
func (f Facts) Again(ctx context.Context, q Querier) (Facts, error) {
	names := slices.Sorted(maps.Keys(f))
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for n := range names {
		into[n] = &values[n]
	}
	if err := q.QueryRowContext(ctx, "SELECT @@global."+strings.Join(names, ", @@global.")).Scan(into...); err != nil {
		return nil, fmt.Errorf("ask the server again what it is: %w", err)
	}
	again := make(Facts, len(names))
	for n, name := range names {
		again[name] = values[n].String
	}
	return again, nil
}

// FactsOf turns the rows of FactsSQL into facts.
func FactsOf(rows []Row) Facts {
	f := make(Facts, len(rows))
	for _, r := range rows {
		f[strings.ToLower(r.Text("Variable_name"))] = r.Text("Value")
	}
	return f
}

// On reports whether a variable is ON, YES or a number other than 0.
func (f Facts) On(name string) bool {
	switch v := strings.ToUpper(f[name]); v {
	case "", "OFF", "NO", "0", "FALSE":
		return false
	case "ON", "YES", "TRUE", "ON_PERMISSIVE", "NO_LOCK", "NO_LOCK_NO_ADMIN": // the last two: stronger forms of read_only in newer MariaDB
		return true
	default:
		n, err := strconv.Atoi(v)
		return err == nil && n != 0
	}
}

// Has reports whether the server has the variable at all.
func (f Facts) Has(name string) bool { _, ok := f[name]; return ok }

// Version is the server's version.
func (f Facts) Version() (Version, error) { return ParseVersion(f["version"]) }

// ServerID is @@server_id, 0 if it is not told.
func (f Facts) ServerID() uint32 {
	n, err := strconv.ParseUint(f["server_id"], 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// Relay reports whether the server is a binlog server.
func (f Facts) Relay() bool {
	return f.Has("maxscale_version") || strings.Contains(strings.ToLower(f["version"]), "maxscale")
}

// relaySQL are what a binlog server answers, each alone: the first says that it is one, the others are
// what every replica asks its source. FactsSQL is a syntax error to it.
var relaySQL = []string{"SHOW VARIABLES LIKE 'maxscale%'", "SELECT @@GLOBAL.SERVER_ID AS id", "SELECT @@GLOBAL.SERVER_UUID AS uuid"}

// relayFacts are the facts of a binlog server by its answers to relaySQL; false if it is none. Who it
// is follows from its address when it does not say.
func relayFacts(a Addr, answers []Answer) (Facts, bool) {
	f := FactsOf(answers[0].Rows)
	if !f.Relay() {
		return nil, false
	}
	f["version"] = f["maxscale_version"] + "-maxscale"
	f["hostname"], f["port"], f["datadir"], f["server_id"] = a.canonical().Host, strconv.Itoa(a.canonical().Port), "none", "0"
	for _, r := range answers[1].Rows {
		f["server_id"] = r.Text("id")
	}
	for _, r := range answers[2].Rows {
		f["server_uuid"] = r.Text("uuid")
	}
	return f, true
}

// Identity is a server's own name for itself: @@server_uuid on MySQL; on MariaDB, which has
// none, a digest of server_id, hostname, port and datadir.
type Identity string

// Identity is the server's identity; it fails when the server tells too little to have one.
func (f Facts) Identity() (Identity, error) {
	if uuid := f["server_uuid"]; uuid != "" {
		return Identity(strings.ToLower(uuid)), nil
	}
	parts := []string{f["server_id"], f["hostname"], f["port"], f["datadir"]}
	for _, p := range parts {
		if p == "" {
			return "", fmt.Errorf("identify the server: it tells no server_uuid, and not all of server_id, hostname, port and datadir")
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return Identity("m-" + hex.EncodeToString(sum[:8])), nil
}
