package tablespace

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"mysql-recycler/engine/dbconn"
)

// space is one tablespace as the server lists it.
type space struct {
	id    int64
	name  string // schema/table[#P#partition], see rawNames
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

// of reports whether the tablespace is that of a table, or of one of its partitions. A table can be called
// a#p#b.
func (s space) of(table DiskName) bool { return s.name == table.String() || s.base() == table.String() }

// partitionAt is where the partition part of a tablespace or statistics name begins, or -1. It is
// written #P# on MariaDB and before 8.0, #p# since. The last one counts: where names are not
// encoded, a table can be called a#p#b.
func partitionAt(name string) int {
	return max(strings.LastIndex(name, "#p#"), strings.LastIndex(name, "#P#"))
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
		args = append(args, utf8.RuneCountInString(prefix), prefix)
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

// DiskName is a table's name as the server's list of tablespaces writes it.
type DiskName struct{ Schema, Table string }

// String is schema/table.
func (n DiskName) String() string { return n.Schema + "/" + n.Table }

// rawNames reports whether the list of tablespaces shows names as people write them (8.0 and
// later) or as files are named (@0020 for a blank). INNODB_TABLES shows file names everywhere.
func rawNames(v dbconn.Version) bool { return v.Flavor == dbconn.MySQL && v.AtLeast(8, 0, 3) }

// diskNameSQL is the expression that encodes a name as InnoDB does in file names. The server knows
// its own encoding best (9.x no longer lets us ask, and there it is not needed); HEX keeps the
// result from being decoded again on its way to us.
func diskNameSQL(v dbconn.Version, expression string) string {
	if rawNames(v) {
		return "HEX(CONVERT(" + expression + " USING utf8mb4))"
	}
	return "HEX(CONVERT(" + expression + " USING filename))"
}

// DiskNameOf asks the server how it writes the name of a table.
func DiskNameOf(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) (DiskName, error) {
	if rawNames(v) {
		return DiskName{schema, name}, nil
	}
	var s, t string
	if err := q.QueryRowContext(ctx, "SELECT "+diskNameSQL(v, "?")+", "+diskNameSQL(v, "?"), schema, name).Scan(&s, &t); err != nil {
		return DiskName{}, fmt.Errorf("encode the name %s.%s: %w", schema, name, err)
	}
	return decodeName(s, t)
}

// decodeName reads two names in hex.
func decodeName(schema, table string) (DiskName, error) {
	s, err := hex.DecodeString(schema)
	if err != nil {
		return DiskName{}, fmt.Errorf("decode a schema name: %w", err)
	}
	t, err := hex.DecodeString(table)
	if err != nil {
		return DiskName{}, fmt.Errorf("decode a table name: %w", err)
	}
	return DiskName{string(s), string(t)}, nil
}

// fileName is a name as files are named, for plain ASCII; InnoDB has tables of its own for other
// alphabets, and ok is false for those.
func fileName(name string) (encoded string, ok bool) {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= 0x80:
			return "", false
		case r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "@%04x", r)
		}
	}
	return b.String(), true
}

// tableIDs maps tablespace ids to the id of the table in it, which names the files of full-text
// indexes.
func tableIDs(ctx context.Context, q dbconn.Querier, v dbconn.Version) (map[int64]int64, error) {
	rows, err := q.QueryContext(ctx, "SELECT SPACE, TABLE_ID FROM "+tablesView(v))
	if err != nil {
		return nil, fmt.Errorf("list InnoDB tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	ids := map[int64]int64{}
	for rows.Next() {
		var space, id int64
		if err := rows.Scan(&space, &id); err != nil {
			return nil, fmt.Errorf("list InnoDB tables: %w", err)
		}
		ids[space] = id
	}
	return ids, rows.Err()
}

// sharedSpaces maps the tables (file names) that have no file of their own to where they live.
func sharedSpaces(ctx context.Context, q dbconn.Querier, v dbconn.Version) (map[string]Space, error) {
	rows, err := q.QueryContext(ctx, "SELECT NAME, SPACE_TYPE FROM "+tablesView(v)+" WHERE SPACE_TYPE <> 'Single'")
	if dbconn.Code(err) == 1054 { // 5.6: only the system tablespace can be shared
		rows, err = q.QueryContext(ctx, "SELECT NAME, 'System' FROM "+tablesView(v)+" WHERE SPACE = 0")
	}
	if err != nil {
		return nil, fmt.Errorf("list tables in shared tablespaces: %w", err)
	}
	defer func() { _ = rows.Close() }()
	shared := map[string]Space{}
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			return nil, fmt.Errorf("list tables in shared tablespaces: %w", err)
		}
		where := SpaceGeneral
		if kind == "System" {
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
func ftsPrefix(schema string, id int64) string {
	return strings.ToLower(fmt.Sprintf("%s/fts_%016x_", schema, id))
}

// Spaces are the ids of the tablespaces of a table: one, or one per partition. Ids only grow, and
// a rebuilt table or partition has a new one. Both are 0 for a table without a tablespace of its
// own.
type Spaces struct{ Least, Greatest int64 }

// spacesOf reads the tablespace ids of a table from the list of tables. Ask while no ALTER runs on it: on MySQL 8.0+ the
// row of a table under ALTER shows the new file. A missing table has none.
func spacesOf(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) (Spaces, error) {
	disk, err := DiskNameOf(ctx, q, v, schema, name)
	if err != nil {
		return Spaces{}, err
	}
	view := tablesView(v)
	if rawNames(v) {
		view = spacesView(v)
	}
	full := disk.String()
	rows, err := q.QueryContext(ctx, "SELECT NAME, SPACE FROM "+view+" WHERE LEFT(NAME, ?) = ?", utf8.RuneCountInString(full), full)
	if err != nil {
		return Spaces{}, fmt.Errorf("read the tablespaces of %s.%s: %w", schema, name, err)
	}
	defer func() { _ = rows.Close() }()
	var s Spaces
	for rows.Next() {
		one := space{}
		if err := rows.Scan(&one.name, &one.id); err != nil {
			return Spaces{}, fmt.Errorf("read the tablespaces of %s.%s: %w", schema, name, err)
		}
		if one.of(disk) && one.id != 0 {
			s.add(one.id)
		}
	}
	return s, rows.Err()
}

// add takes in the id of one more tablespace.
func (s *Spaces) add(id int64) {
	if s.Least == 0 || id < s.Least {
		s.Least = id
	}
	s.Greatest = max(s.Greatest, id)
}

// Growing lists the sizes of the files that an ALTER of a connection writes now, for a table with
// a name whose own tablespaces had ids up to known before. Servers name
// them differently:
//
//	MySQL 8.0+   the row named schema/table shows the new file, under a new id
//	5.6, 5.7     schema/#sql-ib<table id>-<number>
//	MariaDB      schema/#sql-alter-<process>-<connection>, both in hex
//	COPY         schema/#sql-<process>_<connection> in MySQL
func Growing(ctx context.Context, q dbconn.Querier, v dbconn.Version, name DiskName, connection uint64, known int64) ([]NewFile, error) {
	list, err := readSpaces(ctx, q, v, name.Schema+"/")
	if err != nil {
		return nil, err
	}
	var out []NewFile
	for _, s := range list {
		if s.id > known && growsFor(s, name, connection) {
			out = append(out, NewFile{Name: s.name[strings.LastIndexByte(s.name, '/')+1:], Bytes: s.file})
		}
	}
	return out, nil
}

// NewFile is a file that an ALTER writes, by the name of its tablespace without the schema.
type NewFile struct {
	Name  string
	Bytes int64
}

// growsFor reports whether a tablespace with a new id belongs to the ALTER of a connection.
func growsFor(s space, name DiskName, connection uint64) bool {
	base := s.base()
	temporary, ok := strings.CutPrefix(base, name.Schema+"/#sql")
	if !ok {
		return s.of(name)
	}
	hex := strconv.FormatUint(connection, 16)
	return strings.HasSuffix(temporary, "-"+hex) || strings.HasSuffix(temporary, "_"+hex) || strings.HasPrefix(temporary, "-ib")
}
