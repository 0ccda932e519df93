package tablespace

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/mysqltest"
)

// byName finds a table in an inventory.
func byName(t *testing.T, tables []Table, name string) Table {
	t.Helper()
	for _, table := range tables {
		if table.Name == name {
			return table
		}
	}
	require.Fail(t, "not in the inventory", name)
	return Table{}
}

// Every kind of table is found with its place and its features.
func TestInventory(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		mysql := e.Flavor == mysqltest.MySQL
		e.sql(t, "CREATE TABLE @schema.plain (id INT PRIMARY KEY)",
			"CREATE TABLE @schema.parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
			"CREATE TABLE @schema.subs (id INT PRIMARY KEY) PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (10), PARTITION B VALUES LESS THAN MAXVALUE)",
			"CREATE TABLE @schema.ft (id INT PRIMARY KEY, v TEXT, FULLTEXT (v))",
			"CREATE TABLE @schema.sp (id INT PRIMARY KEY, g POINT NOT NULL, SPATIAL INDEX (g))",
			"CREATE TABLE @schema.iv (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, KEY (v))",
			"CREATE TABLE @schema.zip (id INT PRIMARY KEY, v TEXT) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4",
			"CREATE TABLE @schema.nopk (a INT)",
			"CREATE TABLE @schema.parent (id INT PRIMARY KEY)",
			"CREATE TABLE @schema.kid (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id))",
			"CREATE TABLE @schema.old (id INT PRIMARY KEY) ROW_FORMAT=COMPACT",
			"CREATE TABLE @schema.isam (id INT PRIMARY KEY) ENGINE=MyISAM",
			"CREATE VIEW @schema.looks AS SELECT * FROM @schema.plain",
			"SET GLOBAL innodb_file_per_table = 0", "CREATE TABLE @schema.inside (id INT PRIMARY KEY)", "SET GLOBAL innodb_file_per_table = 1")
		if mysql {
			e.sql(t, "CREATE TABLESPACE @schema ADD DATAFILE '@schema.ibd'", "CREATE TABLE @schema.general (id INT PRIMARY KEY) TABLESPACE @schema",
				"CREATE TABLE @schema.expr (id INT PRIMARY KEY, a INT, KEY ((a + 1)))")
			t.Cleanup(func() { e.sql(t, "DROP TABLE @schema.general", "DROP TABLESPACE @schema") })
		} else {
			e.sql(t, "CREATE TABLE @schema.holes (id INT PRIMARY KEY) PAGE_COMPRESSED=1", "CREATE TABLE @schema.aria (id INT PRIMARY KEY) ENGINE=Aria")
		}
		got, err := Inventory(t.Context(), e.srv, e.srv.Version, Filter{Schemas: []string{e.schema}})
		require.NoError(t, err)
		for _, table := range got {
			require.Positive(t, table.FileBytes+btoi(table.Engine != "InnoDB"), table.Name)
			require.NotEqual(t, "looks", table.Name)
			require.WithinDuration(t, time.Now(), table.CreateTime, 5*time.Minute, table.Name)
			one, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, table.Name)
			require.NoError(t, err)
			one.DataFree = table.DataFree // of the system tablespace, which others use too
			state, err := Stat(t.Context(), e.srv, e.srv.Version, e.schema, table.Name)
			require.NoError(t, err)
			require.Equal(t, state, one.State())
			size, err := state.SizeNow(t.Context(), e.srv, e.srv.Version, e.schema, table.Name)
			require.NoError(t, err)
			require.Equal(t, table.FileBytes, size, table.Name)
			one.state = State{}
			require.Equal(t, table, one)
		}
		features := map[string][]Feature{"plain": nil, "ft": {FullText}, "sp": {Spatial}, "iv": {IndexedVirtual}, "zip": {Compressed}, "nopk": {NoPrimaryKey},
			"parent": {ForeignKey}, "kid": {ForeignKey}, "old": nil}
		spaces := map[string]Space{"plain": SpaceOwn, "parts": SpaceOwn, "inside": SpaceSystem}
		if mysql {
			features["expr"], spaces["general"] = []Feature{Functional}, SpaceGeneral
		} else {
			features["holes"] = []Feature{PageCompressed}
			require.Equal(t, "Aria", byName(t, got, "aria").Engine)
		}
		for name, want := range features {
			require.Equal(t, want, byName(t, got, name).Features, name)
		}
		for name, want := range spaces {
			require.Equal(t, want, byName(t, got, name).Space, name)
		}
		require.Equal(t, 3, byName(t, got, "parts").Partitions)
		require.Equal(t, 4, byName(t, got, "subs").Partitions)
		require.Greater(t, byName(t, got, "ft").FileBytes, 5*byName(t, got, "plain").FileBytes, "its full-text files count")
		require.Equal(t, "MyISAM", byName(t, got, "isam").Engine)
	})
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Names reach the file list in whatever encoding the server uses there.
func TestStrangeNames(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		names := []string{"a`b", "it's", `say "hi"`, "two words", "ünïcode表", "a#p#b", "A#P#B", "semi;colon", "back\\slash", "100%_", "sl/ash", "Upper", "emoji$"}
		for _, n := range names {
			e.sql(t, "CREATE TABLE @schema.`"+strings.ReplaceAll(n, "`", "``")+"` (id INT PRIMARY KEY, v INT, KEY (v)) PARTITION BY HASH (id) PARTITIONS 2")
		}
		got, err := Inventory(t.Context(), e.srv, e.srv.Version, Filter{Schemas: []string{e.schema}})
		require.NoError(t, err)
		require.Len(t, got, len(names))
		for _, n := range names {
			table := byName(t, got, n)
			require.Equal(t, 2, table.Partitions, n)
			require.Equal(t, got[0].FileBytes, table.FileBytes, n)
			require.Equal(t, SpaceOwn, table.Space, n)
			s, err := Stat(t.Context(), e.srv, e.srv.Version, e.schema, n)
			require.NoError(t, err)
			require.Positive(t, s.Spaces.Least, n)
			require.Greater(t, s.Spaces.Greatest, s.Spaces.Least, n)
			p, err := Predict(t.Context(), e.srv, e.srv.Version, table, PredictOptions{ExactRows: true})
			require.NoError(t, err, n)
			require.Positive(t, p.Bytes, n)
		}
	})
}

// Sizes are those of the file system, and order the inventory; the filter's bounds hold.
func TestSizeAndFilter(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.numbers(t, 20_000)
		e.sql(t, "CREATE TABLE @schema.big (id INT PRIMARY KEY, v CHAR(200))", "INSERT INTO @schema.big SELECT n, 'x' FROM @schema.seq",
			"CREATE TABLE @schema.small (id INT PRIMARY KEY)")
		got, err := Inventory(t.Context(), e.srv, e.srv.Version, Filter{Schemas: []string{e.schema[:1] + "*"}, Tables: []string{e.schema + ".*"}, MinBytes: 1 << 20})
		require.NoError(t, err)
		require.Equal(t, "big", got[0].Name)
		require.GreaterOrEqual(t, got[0].FileBytes, int64(4<<20))
		size, err := Size(t.Context(), e.srv, e.srv.Version, e.schema, "big")
		require.NoError(t, err)
		require.Equal(t, got[0].FileBytes, size)
		for _, table := range got {
			require.NotEqual(t, "small", table.Name)
		}
		_, err = Size(t.Context(), e.srv, e.srv.Version, e.schema, "never")
		require.ErrorIs(t, err, ErrGone)
		_, err = Predict(t.Context(), e.srv, e.srv.Version, Table{Schema: e.schema, Name: "never", Engine: "InnoDB", Space: SpaceOwn}, PredictOptions{})
		require.ErrorIs(t, err, ErrGone)
		all, err := Inventory(t.Context(), e.srv, e.srv.Version, Filter{})
		require.NoError(t, err)
		for _, table := range all {
			require.False(t, SystemSchema(table.Schema), table.Key())
		}
	})
}

func TestFilterMatch(t *testing.T) {
	t.Parallel()
	cases := []struct {
		f             Filter
		schema, table string
		want          bool
	}{
		{Filter{}, "shop", "orders", true},
		{Filter{}, "mysql", "user", false},
		{Filter{Schemas: []string{"mysql"}}, "mysql", "user", false},
		{Filter{Schemas: []string{"MYSQL"}}, "MySQL", "user", false},
		{Filter{Schemas: []string{"shop"}}, "shop2", "orders", false},
		{Filter{Schemas: []string{"shop*"}}, "shop2", "orders", true},
		{Filter{Schemas: []string{"s?op"}}, "shop", "orders", true},
		{Filter{Tables: []string{"orders"}}, "shop", "orders", true},
		{Filter{Tables: []string{"shop.orders"}}, "shop", "orders", true},
		{Filter{Tables: []string{"shop.orders"}}, "crm", "orders", false},
		{Filter{Tables: []string{"*_log"}}, "shop", "audit_log", true},
		{Filter{Tables: []string{"*_log"}}, "shop", "audit_log2", false},
		{Filter{Tables: []string{"a[b]"}}, "shop", "a[b]", true},
		{Filter{Tables: []string{"a[b]"}}, "shop", "ab", false},
		{Filter{Tables: []string{"*.x"}}, "a.b", "x", true},
		{Filter{Tables: []string{"表*"}}, "shop", "表一", true},
	}
	for _, c := range cases {
		require.Equal(t, c.want, c.f.Match(c.schema, c.table), "%+v on %s.%s", c.f, c.schema, c.table)
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	got, ok := fileName("we ird-1_A$")
	require.True(t, ok)
	require.Equal(t, "we@0020ird@002d1_A@0024", got)
	_, ok = fileName("é")
	require.False(t, ok)
	require.Equal(t, -1, partitionAt("db/t"))
	require.Equal(t, 4, partitionAt("db/t#P#p0#SP#s"))
	require.True(t, rawNames(dbconn.Version{Flavor: dbconn.MySQL, Major: 26, Minor: 7}))
	require.False(t, rawNames(dbconn.Version{Flavor: dbconn.MariaDB, Major: 11, Minor: 8}))
}
