package tablespace

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
)

// What is predicted of single partitions comes true when they are rebuilt, whatever they are called, and
// of no other partition anything changes.
func TestPredictPartitions(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.sql(t, "CREATE TABLE @schema.`t#p#x` (id INT NOT NULL, a INT NOT NULL, b VARCHAR(200) NOT NULL, PRIMARY KEY (id), KEY (a))"+
			" PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (50000), PARTITION `p``Ü#sp#1` VALUES LESS THAN (100000),"+
			" PARTITION `P 2` VALUES LESS THAN (150000), PARTITION pm VALUES LESS THAN MAXVALUE)",
			"INSERT INTO @schema.`t#p#x` VALUES (0, 0, REPEAT('x', 150))")
		for n := 1; n < 200_000; n *= 2 {
			e.sql(t, fmt.Sprintf("INSERT INTO @schema.`t#p#x` SELECT id + %[1]d, CRC32(id + %[1]d) %% 1000000, b FROM @schema.`t#p#x` WHERE id + %[1]d < 200000", n))
		}
		e.sql(t, "DELETE FROM @schema.`t#p#x` WHERE id BETWEEN 50000 AND 100000 AND CRC32(id) % 100 < 60", "DELETE FROM @schema.`t#p#x` WHERE id > 150000 AND CRC32(id) % 100 < 75")
		table, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, "t#p#x")
		require.NoError(t, err)
		p, err := Predict(t.Context(), e.srv, e.srv.Version, table, PredictOptions{})
		require.NoError(t, err)
		require.Equal(t, 4, p.PartsOf)
		state := func(name string) State {
			s, err := StatPartition(t.Context(), e.srv, e.srv.Version, e.schema, "t#p#x", name)
			require.NoError(t, err)
			return s
		}
		sum := int64(0)
		for _, name := range []string{"p0", "p`Ü#sp#1", "P 2", "pm"} {
			sum += state(name).Bytes
		}
		require.Equal(t, table.FileBytes, sum)
		var worth []string
		for _, part := range p.Parts {
			if !part.Worth(table, 4<<20, 0.4) {
				continue
			}
			worth = append(worth, part.Name)
			before, other := state(part.Name), state("p0")
			require.Equal(t, part.Bytes, before.Bytes)
			clauses := "ALGORITHM=INPLACE, LOCK=SHARED, "
			if e.srv.Version.Flavor == dbconn.MariaDB {
				clauses = ""
			}
			e.sql(t, "ALTER TABLE @schema.`t#p#x` "+clauses+"REBUILD PARTITION `"+strings.ReplaceAll(part.Name, "`", "``")+"`")
			after := state(part.Name)
			require.Greater(t, after.Spaces.Least, before.Newest, "ids of tablespaces grow")
			require.Equal(t, other.Spaces, state("p0").Spaces)
			require.LessOrEqual(t, math.Abs(float64(after.Bytes-part.Predicted)), max(0.12*float64(after.Bytes), 2<<20), "%s: %d, predicted %d", part.Name, after.Bytes, part.Predicted)
		}
		require.Equal(t, []string{"p`Ü#sp#1", "pm"}, worth)
		for _, gone := range []string{"p9", "P0"} { // as people wrote it, to the letter
			_, err = StatPartition(t.Context(), e.srv, e.srv.Version, e.schema, "t#p#x", gone)
			require.ErrorIs(t, err, ErrGone)
		}
	})
}

// A partition is all of its sub-partitions.
func TestSubPartitions(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.sql(t, "CREATE TABLE @schema.s (id INT PRIMARY KEY) PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (10), PARTITION B VALUES LESS THAN MAXVALUE)")
		table, err := Find(t.Context(), e.srv, e.srv.Version, e.schema, "s")
		require.NoError(t, err)
		a, err := StatPartition(t.Context(), e.srv, e.srv.Version, e.schema, "s", "a")
		require.NoError(t, err)
		b, err := StatPartition(t.Context(), e.srv, e.srv.Version, e.schema, "s", "B")
		require.NoError(t, err)
		require.Equal(t, table.FileBytes, a.Bytes+b.Bytes)
		require.Greater(t, a.Spaces.Greatest, a.Spaces.Least)
		require.Equal(t, a.Newest, max(a.Spaces.Greatest, b.Spaces.Greatest))
		p, err := Predict(t.Context(), e.srv, e.srv.Version, table, PredictOptions{})
		require.NoError(t, err)
		require.Equal(t, 2, p.PartsOf)
	})
}
