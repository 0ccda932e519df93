package tablespace

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// column is what the storage of a column takes.
type column struct {
	name    string
	full    string // COLUMN_TYPE
	null    bool
	virtual bool  // not stored in the clustered index
	fixed   int   // bytes, or -1 when the length varies
	max     int64 // bytes a varying column can take
	padded  int   // CHAR in a multi-byte character set is padded to this many bytes
	blob    bool
	json    bool // MySQL's binary JSON
	packed  bool // compressed on its own (MariaDB's COMPRESSED attribute)
}

// index is a B-tree of the table.
type index struct {
	name   string
	unique bool
	parts  []part
	kind   string // BTREE, FULLTEXT, SPATIAL
	opaque bool   // its records cannot be computed from columns (functional, multi-valued)
}

// part is one column of an index; prefix is 0 for the whole column.
type part struct {
	column string
	prefix int
}

// layout is how the records of a table are stored.
type layout struct {
	columns   []column
	cluster   *index  // nil: InnoDB orders the rows by a hidden number
	secondary []index // all others
	redundant bool    // ROW_FORMAT=REDUNDANT
	compact   bool    // long columns keep a prefix of 768 bytes in the page
	docID     bool    // full-text indexes add a hidden number and an index on it
}

// column finds a column by name; index parts always name existing ones.
func (l *layout) column(name string) (int, bool) {
	i := slices.IndexFunc(l.columns, func(c column) bool { return c.name == name })
	return i, i >= 0
}

// columnsSQL lists the columns of a table in their order.
const columnsSQL = `SELECT c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.IS_NULLABLE, c.CHARACTER_OCTET_LENGTH,
 c.NUMERIC_PRECISION, c.NUMERIC_SCALE, c.DATETIME_PRECISION, c.EXTRA, c.CHARACTER_MAXIMUM_LENGTH, s.MAXLEN, c.CHARACTER_SET_NAME
 FROM information_schema.COLUMNS c LEFT JOIN information_schema.CHARACTER_SETS s ON s.CHARACTER_SET_NAME = c.CHARACTER_SET_NAME
 WHERE c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ? ORDER BY c.ORDINAL_POSITION`

// readLayout reads the layout of a table from information_schema.
func readLayout(ctx context.Context, q dbconn.Querier, v dbconn.Version, t Table) (*layout, error) {
	l := &layout{
		redundant: strings.EqualFold(t.RowFormat, "Redundant"),
		compact:   strings.EqualFold(t.RowFormat, "Redundant") || strings.EqualFold(t.RowFormat, "Compact"),
	}
	if t.Has(ImplicitFormat) { // the rebuild makes it DYNAMIC
		l.redundant, l.compact = false, false
	}
	rows, err := q.QueryContext(ctx, columnsSQL, t.Schema, t.Name)
	if err != nil {
		return nil, fmt.Errorf("list the columns of %s: %w", t.Key(), err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		c, err := scanColumn(rows, v)
		if err != nil {
			return nil, fmt.Errorf("list the columns of %s: %w", t.Key(), err)
		}
		l.columns = append(l.columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the columns of %s: %w", t.Key(), err)
	}
	if len(l.columns) == 0 {
		return nil, fmt.Errorf("list the columns of %s: %w", t.Key(), ErrGone)
	}
	_ = rows.Close()
	if err := l.readIndexes(ctx, q, t); err != nil {
		return nil, err
	}
	_, own := l.column("FTS_DOC_ID")
	l.docID = t.Has(FullText) && !own
	return l, nil
}

// scanColumn reads one row of columnsSQL.
func scanColumn(rows *sql.Rows, v dbconn.Version) (column, error) {
	var c column
	var typ, full, null, extra string
	var octets, precision, scale, fsp, chars, width sql.NullInt64
	var charset sql.NullString
	if err := rows.Scan(&c.name, &typ, &full, &null, &octets, &precision, &scale, &fsp, &extra, &chars, &width, &charset); err != nil {
		return c, fmt.Errorf("read a column: %w", err)
	}
	typ, full = strings.ToLower(typ), strings.ToLower(full)
	c.full = full
	c.null = null == "YES"
	c.virtual = strings.Contains(strings.ToUpper(extra), "VIRTUAL")
	c.json = typ == "json" && v.Flavor == dbconn.MySQL
	c.blob = strings.HasSuffix(typ, "blob") || strings.HasSuffix(typ, "text") || c.json
	c.packed = strings.Contains(full, "compressed") && typ != "enum" && typ != "set"
	c.max = 1 << 32
	if octets.Valid {
		c.max = octets.Int64
	}
	c.fixed = fixedBytes(typ, full, precision.Int64, scale.Int64, fsp.Int64)
	switch {
	case typ == "binary":
		c.fixed = int(octets.Int64)
	case typ == "char" && width.Int64 <= 1:
		c.fixed = int(octets.Int64)
	case typ == "char":
		c.padded = int(chars.Int64) * leastWidth(charset.String)
	}
	return c, nil
}

// leastWidth is the least number of bytes a character takes in a character set.
func leastWidth(charset string) int {
	switch charset {
	case "ucs2", "utf16", "utf16le":
		return 2
	case "utf32":
		return 4
	}
	return 1
}

// fixedBytes is the stored length of a type of fixed length, -1 for the others.
// https://dev.mysql.com/doc/refman/8.4/en/storage-requirements.html
func fixedBytes(typ, full string, precision, scale, fsp int64) int {
	fraction := int(fsp+1) / 2
	switch typ {
	case "tinyint", "year", "bool", "boolean":
		return 1
	case "smallint":
		return 2
	case "mediumint", "date":
		return 3
	case "int", "integer", "float", "inet4":
		return 4
	case "bigint", "double":
		return 8
	case "uuid", "inet6":
		return 16
	case "decimal":
		return digitBytes(precision-scale) + digitBytes(scale)
	case "time":
		return 3 + fraction
	case "datetime":
		return 5 + fraction
	case "timestamp":
		return 4 + fraction
	case "bit":
		return int(precision+7) / 8
	case "enum":
		if strings.Count(full, "','") < 255 {
			return 1
		}
		return 2
	case "set":
		switch n := (strings.Count(full, "','") + 8) / 8; {
		case n <= 4:
			return max(1, n)
		default:
			return 8
		}
	}
	return -1
}

// digitBytes is what a run of decimal digits takes: 4 bytes per 9, less for the rest.
func digitBytes(digits int64) int {
	return int(digits/9)*4 + []int{0, 1, 1, 2, 2, 3, 3, 4, 4}[digits%9]
}

// readIndexes reads the indexes and finds the clustered one.
func (l *layout) readIndexes(ctx context.Context, q dbconn.Querier, t Table) error {
	rows, err := q.QueryContext(ctx, `SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, COALESCE(SUB_PART, 0), INDEX_TYPE
 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX`, t.Schema, t.Name)
	if err != nil {
		return fmt.Errorf("list the indexes of %s: %w", t.Key(), err)
	}
	defer func() { _ = rows.Close() }()
	var all []index
	for rows.Next() {
		var name, kind string
		var nonUnique, prefix int
		var col sql.NullString
		if err := rows.Scan(&name, &nonUnique, &col, &prefix, &kind); err != nil {
			return fmt.Errorf("list the indexes of %s: %w", t.Key(), err)
		}
		if len(all) == 0 || all[len(all)-1].name != name {
			all = append(all, index{name: name, unique: nonUnique == 0, kind: kind})
		}
		ix := &all[len(all)-1]
		if _, known := l.column(col.String); !known {
			ix.opaque = true
		}
		ix.parts = append(ix.parts, part{column: col.String, prefix: prefix})
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list the indexes of %s: %w", t.Key(), err)
	}
	l.choose(all)
	return nil
}

// choose splits the indexes into the clustered one and the others: the primary key, else the
// first unique index over whole columns that cannot be NULL.
func (l *layout) choose(all []index) {
	at := slices.IndexFunc(all, func(ix index) bool { return ix.name == "PRIMARY" })
	if at < 0 {
		at = slices.IndexFunc(all, func(ix index) bool {
			return ix.unique && !ix.opaque && !slices.ContainsFunc(ix.parts, func(p part) bool {
				i, ok := l.column(p.column)
				return !ok || p.prefix > 0 || l.columns[i].null || l.columns[i].virtual
			})
		})
	}
	if at >= 0 {
		l.cluster = &all[at]
	}
	for i := range all {
		if i != at {
			l.secondary = append(l.secondary, all[i])
		}
	}
}
