package tablespace

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// space is one tablespace as the server lists it.
type space struct {
	id    int64
	name  string // schema/table[#P#partition], in the encoding of file names
	file  int64  // bytes the file system gave, holes included
	alloc int64  // bytes really allocated; 0 where the server does not know
	block int64  // file system block size; differs from 0 only where punching holes works
	kind  string // Single, General, System, Undo
}

// bytes is what the tablespace takes on disk. A sparse file (page compression) takes less than
// its size says; MariaDB does not fill ALLOCATED_SIZE for some of those and gives 0.
func (s space) bytes(sparse bool) int64 {
	if sparse && s.alloc > 0 {
		return s.alloc
	}
	return s.file
}

// base is the name without its partition.
func (s space) base() string {
	if i := partitionAt(s.name); i >= 0 {
		return s.name[:i]
	}
	return s.name
}

// partitionAt is where the partition part of a tablespace or statistics name begins, or -1. It is
// written #P# on MariaDB and before 8.0, #p# since; a # of the name itself is encoded as @0023
// in file names.
func partitionAt(name string) int {
	lower, upper := strings.Index(name, "#p#"), strings.Index(name, "#P#")
	if lower < 0 || upper >= 0 && upper < lower {
		return upper
	}
	return lower
}

// spacesView is where tablespaces are listed.
// https://dev.mysql.com/doc/refman/8.4/en/information-schema-innodb-tablespaces-table.html
// https://mariadb.com/kb/en/information-schema-innodb_sys_tablespaces-table/
func spacesView(v dbconn.Version) string {
	if v.Flavor == dbconn.MySQL && v.AtLeast(8, 0, 3) {
		return "information_schema.INNODB_TABLESPACES"
	}
	return "information_schema.INNODB_SYS_TABLESPACES"
}

// tablesView is where InnoDB lists its tables with their ids and spaces.
func tablesView(v dbconn.Version) string {
	if v.Flavor == dbconn.MySQL && v.AtLeast(8, 0, 3) {
		return "information_schema.INNODB_TABLES"
	}
	return "information_schema.INNODB_SYS_TABLES"
}

// readSpaces lists tablespaces whose name begins with prefix (schema/… as in file names), all
// when it is empty. Reading the view needs PROCESS. Servers before 5.7 have no sizes there (1054):
// the result is empty and the caller falls back on DATA_LENGTH.
func readSpaces(ctx context.Context, q dbconn.Querier, v dbconn.Version, prefix string) ([]space, error) {
	kind := "''"
	if v.Flavor == dbconn.MySQL {
		kind = "COALESCE(SPACE_TYPE, '')"
	}
	query := "SELECT SPACE, NAME, FILE_SIZE, ALLOCATED_SIZE, FS_BLOCK_SIZE, " + kind + " FROM " + spacesView(v)
	var args []any
	if prefix != "" {
		query += " WHERE LEFT(NAME, ?) = ?" // LIKE would give _ and % in names a meaning
		args = append(args, len(prefix), prefix)
	}
	rows, err := q.QueryContext(ctx, query, args...)
	if dbconn.Code(err) == 1054 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list tablespaces: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []space
	for rows.Next() {
		var s space
		if err := rows.Scan(&s.id, &s.name, &s.file, &s.alloc, &s.block, &s.kind); err != nil {
			return nil, fmt.Errorf("list tablespaces: %w", err)
		}
		if strings.HasPrefix(s.name, prefix) { // the comparison above ignores case
			out = append(out, s)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list tablespaces: %w", err)
	}
	return out, nil
}

// encodedNameSQL encodes a schema and a table name as InnoDB does in the names of tablespaces and
// files. The server knows its own encoding best; HEX keeps the result from being decoded again on
// its way to us.
const encodedNameSQL = "SELECT HEX(CONVERT(? USING filename)), HEX(CONVERT(? USING filename))"

// EncodedName is schema/table as the server writes it in tablespace names.
func EncodedName(ctx context.Context, q dbconn.Querier, schema, name string) (string, error) {
	var s, t string
	if err := q.QueryRowContext(ctx, encodedNameSQL, schema, name).Scan(&s, &t); err != nil {
		return "", fmt.Errorf("encode the name %s.%s: %w", schema, name, err)
	}
	return joinEncoded(s, t)
}

// tableIDs maps schema/table (encoded) to InnoDB's table id, which names the files of full-text
// indexes.
func tableIDs(ctx context.Context, q dbconn.Querier, v dbconn.Version) (map[string]int64, error) {
	rows, err := q.QueryContext(ctx, "SELECT NAME, TABLE_ID FROM "+tablesView(v))
	if err != nil {
		return nil, fmt.Errorf("list InnoDB tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	ids := map[string]int64{}
	for rows.Next() {
		var name string
		var id int64
		if err := rows.Scan(&name, &id); err != nil {
			return nil, fmt.Errorf("list InnoDB tables: %w", err)
		}
		ids[name] = id
	}
	return ids, rows.Err()
}

// sharedSpaces maps the tables (encoded names) that have no file of their own to where they live.
func sharedSpaces(ctx context.Context, q dbconn.Querier, v dbconn.Version) (map[string]Space, error) {
	rows, err := q.QueryContext(ctx, "SELECT NAME, SPACE, SPACE_TYPE FROM "+tablesView(v)+" WHERE SPACE_TYPE <> 'Single'")
	if dbconn.Code(err) == 1054 { // 5.6: only the system tablespace can be shared
		rows, err = q.QueryContext(ctx, "SELECT NAME, SPACE, 'System' FROM "+tablesView(v)+" WHERE SPACE = 0")
	}
	if err != nil {
		return nil, fmt.Errorf("list tables in shared tablespaces: %w", err)
	}
	defer func() { _ = rows.Close() }()
	shared := map[string]Space{}
	for rows.Next() {
		var name string
		var id int64
		var kind sql.NullString
		if err := rows.Scan(&name, &id, &kind); err != nil {
			return nil, fmt.Errorf("list tables in shared tablespaces: %w", err)
		}
		where := SpaceGeneral
		if kind.String == "System" {
			where = SpaceSystem
		}
		if i := partitionAt(name); i >= 0 {
			name = name[:i]
		}
		shared[name] = where
	}
	return shared, rows.Err()
}

// ftsPrefix is how the tablespaces of a table's full-text indexes begin, in lower case.
func ftsPrefix(encoded string, id int64) string {
	schema, _, _ := strings.Cut(encoded, "/")
	return strings.ToLower(fmt.Sprintf("%s/fts_%016x_", schema, id))
}

// Spaces are the ids of the tablespaces of a table: one, or one per partition. Ids only grow, and
// a rebuilt table or partition has a new one. Both are 0 for a table without a tablespace of its
// own.
type Spaces struct{ Least, Greatest int64 }

// SpacesOf reads the tablespace ids of a table from InnoDB's list of tables, which on MySQL 8.0+
// still shows the old one while an ALTER writes the new file. A missing table has none.
func SpacesOf(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) (Spaces, error) {
	encoded, err := EncodedName(ctx, q, schema, name)
	if err != nil {
		return Spaces{}, err
	}
	rows, err := q.QueryContext(ctx, "SELECT NAME, SPACE FROM "+tablesView(v)+" WHERE LEFT(NAME, ?) = ?", len(encoded), encoded)
	if err != nil {
		return Spaces{}, fmt.Errorf("read the tablespaces of %s.%s: %w", schema, name, err)
	}
	defer func() { _ = rows.Close() }()
	var s Spaces
	for rows.Next() {
		var full string
		var id int64
		if err := rows.Scan(&full, &id); err != nil {
			return Spaces{}, fmt.Errorf("read the tablespaces of %s.%s: %w", schema, name, err)
		}
		if (space{name: full}).base() != encoded || id == 0 {
			continue
		}
		if s.Least == 0 || id < s.Least {
			s.Least = id
		}
		s.Greatest = max(s.Greatest, id)
	}
	return s, rows.Err()
}

// Growing lists the sizes of the files that an ALTER of a connection writes now, for a table with
// an encoded name (EncodedName) whose own tablespaces had ids up to known before. Servers name
// them differently:
//
//	MySQL 8.0+   the row named schema/table shows the new file, under a new id
//	5.6, 5.7     schema/#sql-ib<table id>-<number>
//	MariaDB      schema/#sql-alter-<process>-<connection>, both in hex
//	COPY         schema/#sql-<process>_<connection> in MySQL
func Growing(ctx context.Context, q dbconn.Querier, v dbconn.Version, encoded string, connection uint64, known int64) ([]int64, error) {
	schema, _, _ := strings.Cut(encoded, "/")
	list, err := readSpaces(ctx, q, v, schema+"/")
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, s := range list {
		if s.id > known && growsFor(s, encoded, connection) {
			out = append(out, s.file)
		}
	}
	return out, nil
}

// growsFor reports whether a tablespace with a new id belongs to the ALTER of a connection.
func growsFor(s space, encoded string, connection uint64) bool {
	base := s.base()
	_, name, _ := strings.Cut(base, "/")
	temporary, ok := strings.CutPrefix(name, "#sql")
	if !ok {
		return base == encoded
	}
	hex := strconv.FormatUint(connection, 16)
	return strings.HasSuffix(temporary, "-"+hex) || strings.HasSuffix(temporary, "_"+hex) || strings.HasPrefix(temporary, "-ib")
}
