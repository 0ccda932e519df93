package tablespace

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
)

// A few patterns at small size, predicted and then really rebuilt. The benchmark makes all of them.
func TestPredictHolds(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.numbers(t, 50_000)
		rows := "SELECT n + 1, CRC32(n) % 1000000, REPEAT('x', 80 + CRC32(n + 7) % 100) FROM @schema.seq ORDER BY n"
		e.sql(t, strings.Replace(plain, ".t ", ".holes ", 1), "INSERT INTO @schema.holes (id, a, b) "+rows, "DELETE FROM @schema.holes WHERE CRC32(id + 1) % 100 < 60",
			strings.Replace(plain, ".t ", ".healthy ", 1), "INSERT INTO @schema.healthy (id, a, b) "+rows, "ALTER TABLE @schema.healthy FORCE",
			"CREATE TABLE @schema.nokey (id INT NOT NULL, a INT NOT NULL, b VARCHAR(200) NOT NULL)", "INSERT INTO @schema.nokey "+rows, "DELETE FROM @schema.nokey WHERE CRC32(id + 1) % 100 < 60",
			"CREATE TABLE @schema.parts (id INT PRIMARY KEY, a INT, b VARCHAR(200)) PARTITION BY HASH (id) PARTITIONS 3", "INSERT INTO @schema.parts "+rows, "DELETE FROM @schema.parts WHERE CRC32(id + 1) % 100 < 60",
			"CREATE TABLE @schema.uuid (id CHAR(36) PRIMARY KEY, b VARCHAR(200))", "INSERT INTO @schema.uuid SELECT INSERT(LEFT(SHA2(n, 256), 35), 9, 0, '-'), REPEAT('x', 100) FROM @schema.seq")
		require.NoError(t, e.WaitPurged(t.Context()))
		for _, name := range []string{"holes", "healthy", "nokey", "parts", "uuid"} {
			e.sql(t, "ANALYZE TABLE @schema."+name)
			table, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, name)
			require.NoError(t, err)
			sampled, err := Predict(t.Context(), e.srv, e.srv.Version, table, PredictOptions{})
			require.NoError(t, err)
			counted, err := Predict(t.Context(), e.srv, e.srv.Version, table, PredictOptions{ExactRows: true})
			require.NoError(t, err)
			e.sql(t, "ALTER TABLE @schema."+name+" FORCE")
			after, err := Size(t.Context(), e.srv, e.srv.Version, e.schema, name)
			require.NoError(t, err)
			const step = 1 << 20 // a file of this size grows by
			parts := int64(max(1, table.Partitions))
			require.InDelta(t, after, counted.Bytes, float64(step*parts), "%s counted: %s, before %d", name, counted, table.FileBytes)
			require.InDelta(t, after, sampled.Bytes, math.Max(2*float64(step*parts), 0.15*float64(after)), "%s sampled: %s, before %d", name, sampled, table.FileBytes)
			require.True(t, counted.RowsExact)
			require.Equal(t, HowCount, counted.How)
			require.LessOrEqual(t, counted.Low, counted.Bytes)
			require.GreaterOrEqual(t, counted.High, counted.Bytes)
			if name == "healthy" {
				require.False(t, sampled.Worth(table, 1, 0), "%s, before %d", sampled, table.FileBytes)
			}
			if name == "holes" {
				require.True(t, sampled.Worth(table, 1<<20, 0.1))
				require.Less(t, table.DataFree, counted.Gain(table), "DATA_FREE tells less than half of it")
			}
		}
	})
}

// What a prediction reads is bounded: no statement of ours scans the table.
func TestPredictReadsLittle(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.numbers(t, 400_000)
		table, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, "seq")
		require.NoError(t, err)
		before := e.rowsRead(t)
		_, err = Predict(t.Context(), e.srv, e.srv.Version, table, PredictOptions{})
		require.NoError(t, err)
		require.Less(t, e.rowsRead(t)-before, 100_000.0)
	})
}

// rowsRead sums the handler's reads of our account's own statements; other tests run beside this
// one, so the figure is that of a quiet moment at best and generous.
func (e *env) rowsRead(t *testing.T) float64 {
	t.Helper()
	query := "SELECT SUM(ROWS_READ) FROM information_schema.TABLE_STATISTICS WHERE TABLE_SCHEMA = ?"
	if e.Flavor == mysqltest.MySQL {
		query = "SELECT SUM(COUNT_FETCH) FROM performance_schema.table_io_waits_summary_by_table WHERE OBJECT_SCHEMA = ?"
	}
	var n *float64
	require.NoError(t, e.node.DB().QueryRowContext(t.Context(), query, e.schema).Scan(&n))
	if n == nil {
		return 0
	}
	return *n
}

func TestAlphabet(t *testing.T) {
	t.Parallel()
	var groups [][][]byte
	for start := range 16 {
		var g [][]byte
		for i := range 20 {
			g = append(g, []byte(fmt.Sprintf("%x%07x-%04x", start, i*7919*1000, i*31%65536)))
		}
		groups = append(groups, g)
	}
	a, ok := learn(groups)
	require.True(t, ok)
	half := a.number([]byte("80000000-0000")) - a.number([]byte("00000000-0000"))
	whole := a.number([]byte("ffffffff-ffff")) - a.number([]byte("00000000-0000"))
	require.InEpsilon(t, 0.5, float64(half)/float64(whole), 0.001)
	require.Equal(t, "80000000-0000", a.value(a.number([]byte("80000000-0000"))))
	_, ok = learn([][][]byte{{[]byte("Abc"), []byte("abd"), []byte("Zzz")}})
	require.False(t, ok, "letters of both cases have an order of their own")
	_, ok = learn([][][]byte{{[]byte("same")}, {[]byte("same")}})
	require.False(t, ok)
}

func TestFixedBytes(t *testing.T) {
	t.Parallel()
	for full, want := range map[string]int{"tinyint(4)": 1, "bigint": 8, "date": 3, "uuid": 16, "varchar(9)": -1, "enum('a','b')": 1} {
		typ, _, _ := strings.Cut(full, "(")
		require.Equal(t, want, fixedBytes(typ, full, 0, 0, 0), full)
	}
	require.Equal(t, 6, fixedBytes("decimal", "decimal(12,2)", 12, 2, 0))
	require.Equal(t, 8, fixedBytes("datetime", "datetime(6)", 0, 0, 6))
	require.Equal(t, 2, fixedBytes("bit", "bit(9)", 9, 0, 0))
}

// Page counts of real servers, see the benchmark for whole files.
func TestSegments(t *testing.T) {
	t.Parallel()
	mysql := growth{page: 16384, logical: 16384, reserve: 0.125, slack: true}
	maria := growth{page: 16384, logical: 16384, reserve: 0.125, cap: 4}
	zip := growth{page: 8192, logical: 16384, reserve: 0.125, slack: true}
	cases := []struct {
		g    growth
		used float64
		want int
	}{
		{mysql, 12, 12}, {mysql, 36, 96}, {mysql, 477, 544}, {mysql, 1905, 2208}, {mysql, 10715, 12256},
		{maria, 1883, 2144}, {maria, 2353, 2656}, {maria, 10589, 10848}, {zip, 2827, 3232},
	}
	for _, c := range cases {
		single, extents := c.g.segment(c.used)
		require.Equal(t, c.want, single+64*extents, "%v pages", c.used)
	}
	require.EqualValues(t, 216<<20, mysql.file([]float64{10715, 12, 804, 1}))
	require.EqualValues(t, 188<<20, maria.file([]float64{10589, 12, 804, 1}))
	require.EqualValues(t, 31<<20, zip.file([]float64{2827, 5, 281, 1}))
	wide := mysql
	wide.step = 64 << 20
	require.EqualValues(t, 256<<20, wide.file([]float64{10715, 12, 804, 1}))
}
