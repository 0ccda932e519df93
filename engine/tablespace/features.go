package tablespace

import (
	"context"
	"fmt"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// addFeatures fills in what restricts the rebuild of a table.
func addFeatures(ctx context.Context, q dbconn.Querier, v dbconn.Version, in where, tables []*listed) error {
	known := byKey(tables)
	if err := addIndexFeatures(ctx, q, v, in, known); err != nil {
		return err
	}
	if err := addForeignKeys(ctx, q, in, known); err != nil {
		return err
	}
	if err := addIndexedVirtual(ctx, q, in, known); err != nil {
		return err
	}
	return addFormats(ctx, q, tables)
}

// byKey finds tables by schema and name.
func byKey(tables []*listed) map[[2]string]*listed {
	known := make(map[[2]string]*listed, len(tables))
	for _, t := range tables {
		known[[2]string{t.Schema, t.Name}] = t
	}
	return known
}

// add appends features once.
func (t *listed) add(f Feature) {
	if !t.Has(f) {
		t.Features = append(t.Features, f)
	}
}

// indexSQL tells per table which kinds of indexes it has. EXPRESSION came with 8.0.13.
func indexSQL(v dbconn.Version) string {
	expression := "0"
	if v.Flavor == dbconn.MySQL && v.AtLeast(8, 0, 13) {
		expression = "MAX(EXPRESSION IS NOT NULL)"
	}
	return "SELECT TABLE_SCHEMA, TABLE_NAME, MAX(INDEX_TYPE = 'FULLTEXT'), MAX(INDEX_TYPE = 'SPATIAL')," +
		" MAX(INDEX_NAME = 'PRIMARY'), " + expression + " FROM information_schema.STATISTICS WHERE 1 = 1"
}

// addIndexFeatures looks at the indexes. A table without any row there has no index at all.
func addIndexFeatures(ctx context.Context, q dbconn.Querier, v dbconn.Version, in where, byKey map[[2]string]*listed) error {
	rows, err := q.QueryContext(ctx, indexSQL(v)+in.sql("TABLE_SCHEMA", "TABLE_NAME")+" GROUP BY TABLE_SCHEMA, TABLE_NAME", in.args...)
	if err != nil {
		return fmt.Errorf("list indexes: %w", err)
	}
	defer func() { _ = rows.Close() }()
	primary := map[[2]string]bool{}
	for rows.Next() {
		var key [2]string
		var fulltext, spatial, pk, functional bool
		if err := rows.Scan(&key[0], &key[1], &fulltext, &spatial, &pk, &functional); err != nil {
			return fmt.Errorf("list indexes: %w", err)
		}
		primary[key] = pk
		t := byKey[key]
		if t == nil {
			continue
		}
		for f, has := range map[Feature]bool{FullText: fulltext, Spatial: spatial, Functional: functional} {
			if has {
				t.add(f)
			}
		}
	}
	for key, t := range byKey {
		if !primary[key] {
			t.add(NoPrimaryKey)
		}
	}
	return rows.Err()
}

// addForeignKeys marks children and parents. REFERENTIAL_CONSTRAINTS is used because
// KEY_COLUMN_USAGE opens every table on 5.7 and MariaDB.
func addForeignKeys(ctx context.Context, q dbconn.Querier, in where, byKey map[[2]string]*listed) error {
	rows, err := q.QueryContext(ctx, "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME"+
		" FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE 1 = 1"+in.sql("CONSTRAINT_SCHEMA", "TABLE_NAME", "REFERENCED_TABLE_NAME"), in.args...)
	if err != nil {
		return fmt.Errorf("list foreign keys: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var child, parent [2]string
		if err := rows.Scan(&child[0], &child[1], &parent[0], &parent[1]); err != nil {
			return fmt.Errorf("list foreign keys: %w", err)
		}
		for _, key := range [][2]string{child, parent} {
			if t := byKey[key]; t != nil {
				t.add(ForeignKey)
			}
		}
	}
	return rows.Err()
}

// addIndexedVirtual marks tables with an index on a VIRTUAL column; MariaDB cannot rebuild them
// without a lock.
func addIndexedVirtual(ctx context.Context, q dbconn.Querier, in where, byKey map[[2]string]*listed) error {
	if in.single { // few tables have such a column, and the join costs more than all else that is asked of a table
		var columns int
		err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.COLUMNS c WHERE c.EXTRA LIKE '%VIRTUAL%'"+
			in.sql("c.TABLE_SCHEMA", "c.TABLE_NAME"), in.args...).Scan(&columns)
		if err != nil {
			return fmt.Errorf("list generated columns: %w", err)
		}
		if columns == 0 {
			return nil
		}
	}
	rows, err := q.QueryContext(ctx, "SELECT DISTINCT c.TABLE_SCHEMA, c.TABLE_NAME FROM information_schema.COLUMNS c"+
		" JOIN information_schema.STATISTICS s ON s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME"+
		" AND s.COLUMN_NAME = c.COLUMN_NAME WHERE c.EXTRA LIKE '%VIRTUAL%'"+in.sql("c.TABLE_SCHEMA", "c.TABLE_NAME"), in.args...)
	if err != nil {
		return fmt.Errorf("list generated columns: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key [2]string
		if err := rows.Scan(&key[0], &key[1]); err != nil {
			return fmt.Errorf("list generated columns: %w", err)
		}
		if t := byKey[key]; t != nil {
			t.add(IndexedVirtual)
		}
	}
	return rows.Err()
}

// addFormats marks compression, encryption and row formats that would change.
func addFormats(ctx context.Context, q dbconn.Querier, tables []*listed) error {
	standard := "Dynamic"
	err := q.QueryRowContext(ctx, "SELECT @@global.innodb_default_row_format").Scan(&standard)
	if dbconn.Code(err) == 1193 { // 5.6
		standard, err = "Compact", nil
	}
	if err != nil {
		return fmt.Errorf("read the default row format: %w", err)
	}
	for _, t := range tables {
		if t.Engine != "InnoDB" {
			continue
		}
		if strings.EqualFold(t.RowFormat, "Compressed") {
			t.add(Compressed)
		}
		if t.pageCompressed() {
			t.add(PageCompressed)
		}
		if strings.Contains(t.options, "encrypt") && !strings.Contains(t.options, "encryption='n'") && !strings.Contains(t.options, "encrypted=no") &&
			!strings.Contains(t.options, "`encrypted`=no") {
			t.add(Encrypted)
		}
		if !strings.Contains(t.options, "row_format=") && !strings.EqualFold(t.RowFormat, standard) {
			t.add(ImplicitFormat)
		}
	}
	return nil
}

// addFullText adds the files of full-text indexes, which the ALTER writes anew too.
func addFullText(ctx context.Context, q dbconn.Querier, v dbconn.Version, tables []*listed) error {
	var with []*listed
	for _, t := range tables {
		if t.Has(FullText) && t.Engine == "InnoDB" && t.Space == SpaceOwn {
			with = append(with, t)
		}
	}
	if len(with) == 0 {
		return nil
	}
	ids, err := tableIDs(ctx, q, v)
	if err != nil {
		return err
	}
	spaces, err := readSpaces(ctx, q, v, "")
	if err != nil {
		return err
	}
	for _, t := range with {
		if len(t.spaces) != 1 {
			continue // full-text indexes and partitions exclude each other
		}
		id, ok := ids[t.spaces[0].id]
		if !ok {
			continue
		}
		prefix := ftsPrefix(t.disk.Schema, id)
		for _, s := range spaces {
			if strings.HasPrefix(strings.ToLower(s.name), prefix) {
				t.FileBytes += s.file
			}
		}
	}
	return nil
}
