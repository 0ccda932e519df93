package tablespace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// tablesSQL lists base tables. UNIX_TIMESTAMP keeps CREATE_TIME out of the session's time zone.
// On MySQL 8.0+ DATA_FREE can be a day old (information_schema_stats_expiry); it is shown beside
// our figure and decides nothing.
const tablesSQL = `SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, COALESCE(ROW_FORMAT, ''), COALESCE(TABLE_ROWS, 0),
 COALESCE(DATA_LENGTH, 0), COALESCE(INDEX_LENGTH, 0), COALESCE(DATA_FREE, 0),
 COALESCE(UNIX_TIMESTAMP(CREATE_TIME), 0), COALESCE(CREATE_OPTIONS, ''), %s, %s
 FROM information_schema.TABLES
 WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE IN ('InnoDB', 'MyISAM', 'Aria')`

// listed is a table as tablesSQL gives it.
type listed struct {
	Table
	disk    DiskName
	spaces  []space
	data    int64
	options string // CREATE_OPTIONS in lower case
}

// Inventory lists the tables a filter selects, biggest first, with their sizes on disk and their
// features. It needs PROCESS and SELECT on the tables; tables without privilege are not seen.
func Inventory(ctx context.Context, q dbconn.Querier, v dbconn.Version, f Filter) ([]Table, error) {
	tables, err := list(ctx, q, v, f)
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	if err := addSizes(ctx, q, v, tables); err != nil {
		return nil, err
	}
	if err := addFeatures(ctx, q, v, schemaWhere(f), tables); err != nil {
		return nil, err
	}
	if err := addFullText(ctx, q, v, tables); err != nil {
		return nil, err
	}
	out := make([]Table, 0, len(tables))
	for _, t := range tables {
		if t.FileBytes >= f.MinBytes {
			slices.Sort(t.Features)
			out = append(out, t.Table)
		}
	}
	slices.SortStableFunc(out, func(a, b Table) int {
		if a.FileBytes != b.FileBytes {
			return int(min(1, max(-1, b.FileBytes-a.FileBytes)))
		}
		return strings.Compare(a.Key(), b.Key())
	})
	return out, nil
}

// ErrGone says that a table is not there (any more).
var ErrGone = errors.New("the table does not exist")

// Find reads one table afresh, as Inventory does, with its State. A missing table is ErrGone.
func Find(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) (Table, error) {
	tables, in, err := one(ctx, q, v, schema, name)
	if err != nil {
		return Table{}, err
	}
	if err := errors.Join(addSizes(ctx, q, v, tables), addFeatures(ctx, q, v, in, tables),
		addFullText(ctx, q, v, tables)); err != nil {
		return Table{}, err
	}
	t := tables[0]
	slices.Sort(t.Features)
	t.state, err = t.stateNow(ctx, q, v)
	return t.Table, err
}

// Stat reads the state of a table in fewer statements than Find. A missing table is ErrGone.
func Stat(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) (State, error) {
	tables, in, err := one(ctx, q, v, schema, name)
	if err != nil {
		return State{}, err
	}
	if err := errors.Join(addSizes(ctx, q, v, tables), addIndexFeatures(ctx, q, v, in, byKey(tables)),
		addFullText(ctx, q, v, tables)); err != nil {
		return State{}, err
	}
	return tables[0].stateNow(ctx, q, v)
}

// one lists a single table. information_schema compares names as the server's files are compared, we
// to the letter.
func one(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) ([]*listed, where, error) {
	in := where{single: true, args: []any{schema, name}}
	tables, err := selectTables(ctx, q, v, in)
	if err != nil {
		return nil, in, err
	}
	tables = slices.DeleteFunc(tables, func(t *listed) bool { return t.Schema != schema || t.Name != name })
	if len(tables) != 1 {
		return nil, in, fmt.Errorf("find %s.%s: %w", schema, name, ErrGone)
	}
	return tables, in, nil
}

// list reads the tables a filter selects by name.
func list(ctx context.Context, q dbconn.Querier, v dbconn.Version, f Filter) ([]*listed, error) {
	tables, err := selectTables(ctx, q, v, schemaWhere(f))
	return slices.DeleteFunc(tables, func(t *listed) bool {
		return !f.Match(t.Schema, t.Name) || strings.HasPrefix(t.Name, "#")
	}), err
}

// where restricts a query on information_schema to one table, or to schemas: what it does not name the
// server need not open.
type where struct {
	single bool
	not    string
	args   []any
}

// sql is the condition on a view's columns; a table that stands in any of names counts.
func (w where) sql(schema string, names ...string) string {
	if w.single {
		return " AND " + schema + " = ? AND ? IN (" + strings.Join(names, ", ") + ")"
	}
	return " AND " + schema + " " + w.not + "IN (?" + strings.Repeat(",?", len(w.args)-1) + ")"
}

// schemaWhere restricts a query to the filter's schemas where it can, and keeps it out of the system
// schemas.
func schemaWhere(f Filter) where {
	names, not := f.literalSchemas(), ""
	if len(names) == 0 {
		names, not = systemSchemas, "NOT "
	}
	args := make([]any, len(names))
	for i, n := range names {
		args[i] = n
	}
	return where{not: not, args: args}
}

// selectTables runs tablesSQL with a condition.
func selectTables(ctx context.Context, q dbconn.Querier, v dbconn.Version, in where) ([]*listed, error) {
	rows, err := q.QueryContext(ctx, fmt.Sprintf(tablesSQL, diskNameSQL(v, "TABLE_SCHEMA"), diskNameSQL(v, "TABLE_NAME"))+
		in.sql("TABLE_SCHEMA", "TABLE_NAME"), in.args...)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []*listed
	for rows.Next() {
		t := &listed{}
		var created float64 // UNIX_TIMESTAMP of a column is a DECIMAL on MariaDB
		var schema, table sql.NullString
		if err := rows.Scan(&t.Schema, &t.Name, &t.Engine, &t.RowFormat, &t.Rows, &t.data, &t.IndexBytes,
			&t.DataFree, &created, &t.options, &schema, &table); err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		if created > 0 {
			t.CreateTime = time.Unix(int64(created), 0).UTC()
		}
		t.options = strings.ToLower(t.options)
		if t.disk, err = decodeName(schema.String, table.String); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return out, nil
}

// addSizes fills in sizes, spaces and partitions.
func addSizes(ctx context.Context, q dbconn.Querier, v dbconn.Version, tables []*listed) error {
	prefix := ""
	if len(tables) == 1 {
		prefix = tables[0].disk.String()
	}
	spaces, err := readSpaces(ctx, q, v, prefix)
	if err != nil {
		return err
	}
	byName := make(map[string]*listed, len(tables))
	for _, t := range tables {
		byName[t.disk.String()] = t
	}
	told := false // whether the server tells sizes at all
	for _, s := range spaces {
		told = true
		t := byName[s.name] // a table can be called a#p#b
		if t == nil {
			t = byName[s.base()]
		}
		if t != nil {
			t.spaces = append(t.spaces, s)
		}
	}
	shared := map[string]Space{}
	if slices.ContainsFunc(tables, func(t *listed) bool { return t.Engine == "InnoDB" && len(t.spaces) == 0 }) {
		if shared, err = sharedSpaces(ctx, q, v); err != nil {
			return err
		}
	}
	for _, t := range tables {
		t.place(told || prefix != "" && v.Major > 5, t.shared(v, shared))
	}
	return nil
}

// shared is the tablespace a table shares with others, empty when it has its own. Where its file
// name cannot be told the missing file of its own says it.
func (t *listed) shared(v dbconn.Version, shared map[string]Space) Space {
	if !rawNames(v) {
		return shared[t.disk.String()]
	}
	schema, ok := fileName(t.disk.Schema)
	table, ok2 := fileName(t.disk.Table)
	if ok && ok2 {
		return shared[schema+"/"+table]
	}
	if len(t.spaces) == 0 {
		return SpaceGeneral
	}
	return ""
}

// place fills in where a table lives and what it takes there; told is false on a server that does
// not tell sizes of files.
func (t *listed) place(told bool, shared Space) {
	t.Space = SpaceOwn
	switch {
	case t.Engine != "InnoDB":
		t.FileBytes = t.data + t.IndexBytes
		return
	case shared != "":
		t.Space, t.FileBytes = shared, t.data+t.IndexBytes
		return
	case len(t.spaces) == 0 && !told:
		t.FileBytes = t.data + t.IndexBytes + t.DataFree
	}
	sparse := t.pageCompressed()
	for _, s := range t.spaces {
		t.FileBytes += s.bytes(sparse)
		if s.name != t.disk.String() {
			t.Partitions++
		}
	}
}

// pageCompressed reports whether pages are compressed one by one, leaving holes in the file:
// COMPRESSION='…' on MySQL, PAGE_COMPRESSED=1 on MariaDB.
func (t *listed) pageCompressed() bool {
	o := strings.NewReplacer("`", "", `"`, "", "'", "").Replace(t.options)
	return strings.Contains(o, "page_compressed=1") || strings.Contains(o, "page_compressed=on") ||
		strings.Contains(o, " compression=") && !strings.Contains(o, "compression=none") ||
		strings.HasPrefix(o, "compression=") && !strings.Contains(o, "compression=none")
}
