package tablespace

import (
	"fmt"
	"testing"

	"mysql-recycler/engine/mysqltest"
)

// pattern is a way a table gets fragmented, as statements. seq holds the numbers 0 to 259999 in
// column n. An open one has only a range.
type pattern struct {
	name string
	make []string
	open bool // the estimate is honest about being one: only the range is promised
	only mysqltest.Flavor
	big  bool // made only when RECYCLER_BENCH_BIG is set
}

// numbers makes the table seq.
func (e *env) numbers(t testing.TB, n int) {
	t.Helper()
	e.sql(t, "CREATE TABLE @schema.seq (n INT PRIMARY KEY)", "INSERT INTO @schema.seq VALUES (0)")
	for have := 1; have < n; have *= 2 {
		e.sql(t, fmt.Sprintf("INSERT INTO @schema.seq SELECT n + %d FROM @schema.seq WHERE n + %d < %d", have, have, n))
	}
}

// in replaces row counts: every statement that reads seq is cut into batches by the runner.
const plain = "CREATE TABLE @schema.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY (a))"

// fillPlain fills plain with rows of 100 to 200 bytes.
const fillPlain = "INSERT INTO @schema.t (id, a, b) SELECT n + 1, CRC32(n) % 1000000, REPEAT('x', 80 + CRC32(n + 7) % 100) FROM @schema.seq ORDER BY n"

// patterns are the ways of fragmentation of the benchmark.
var patterns = []pattern{
	{name: "P0 sequential", make: []string{plain, fillPlain}},
	{name: "P0b just rebuilt", make: []string{plain, fillPlain, "ALTER TABLE @schema.t FORCE"}},
	{name: "P1 random deletes 50%", make: []string{plain, fillPlain, "DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P1b random deletes 15%", make: []string{plain, fillPlain, "DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 15"}},
	{name: "P2 range delete 60%", make: []string{plain, fillPlain, "DELETE FROM @schema.t WHERE id <= 156000"}},
	{name: "P3 random char(36) key", make: []string{
		"CREATE TABLE @schema.t (id CHAR(36) PRIMARY KEY, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY (a))",
		"INSERT INTO @schema.t SELECT INSERT(INSERT(LEFT(SHA2(n, 256), 34), 9, 0, '-'), 14, 0, '-'), n, REPEAT('x', 80 + CRC32(n) % 60) FROM @schema.seq WHERE n < 250000"}},
	{name: "P3b random binary(16) key, 30% deleted", make: []string{
		"CREATE TABLE @schema.t (id BINARY(16) PRIMARY KEY, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY (a))",
		"INSERT INTO @schema.t SELECT UNHEX(LEFT(SHA2(n, 256), 32)), n, REPEAT('x', 80 + CRC32(n) % 60) FROM @schema.seq WHERE n < 300000",
		"DELETE FROM @schema.t WHERE CRC32(a + 1) % 100 < 30"}},
	{name: "P4 half of the rows grow", make: []string{plain,
		"INSERT INTO @schema.t SELECT n + 1, CRC32(n) % 1000000, REPEAT('x', 50) FROM @schema.seq WHERE n < 300000 ORDER BY n",
		"UPDATE @schema.t SET b = REPEAT('y', 200) WHERE CRC32(id) % 2 = 0"}},
	{name: "P4b all rows shrink", make: []string{plain,
		"INSERT INTO @schema.t SELECT n + 1, CRC32(n) % 1000000, REPEAT('x', 200) FROM @schema.seq WHERE n < 300000 ORDER BY n",
		"UPDATE @schema.t SET b = REPEAT('y', 40)"}},
	{name: "P5 LOB 5-60 KB, 40% deleted, half shrunk", make: []string{
		"CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b LONGBLOB)",
		"INSERT INTO @schema.t SELECT n + 1, n, REPEAT('z', 5000 + CRC32(n) % 55000) FROM @schema.seq WHERE n < 3500 ORDER BY n",
		"DELETE FROM @schema.t WHERE CRC32(id) % 100 < 40", "UPDATE @schema.t SET b = LEFT(b, LENGTH(b) / 2) WHERE id % 2 = 0"}},
	{name: "P5b text 0.2-12 KB, 30% deleted", make: []string{
		"CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b MEDIUMTEXT)",
		"INSERT INTO @schema.t SELECT n + 1, n, REPEAT('z', 200 + CRC32(n) % 11800) FROM @schema.seq WHERE n < 12000 ORDER BY n",
		"DELETE FROM @schema.t WHERE CRC32(id) % 100 < 30"}},
	{name: "P6 instant ADD, 30% back-filled", make: []string{plain,
		"INSERT INTO @schema.t SELECT n + 1, CRC32(n) % 1000000, REPEAT('x', 120) FROM @schema.seq WHERE n < 300000 ORDER BY n",
		"ALTER TABLE @schema.t ADD COLUMN c VARCHAR(100) DEFAULT 'none', ADD COLUMN d BIGINT NOT NULL DEFAULT 7, ALGORITHM=INSTANT",
		"UPDATE @schema.t SET c = REPEAT('c', 90) WHERE CRC32(id) % 100 < 30"}},
	{name: "P6b instant DROP of a wide column", make: []string{
		"CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(300) NOT NULL, c INT, KEY (a))",
		"INSERT INTO @schema.t SELECT n + 1, CRC32(n) % 1000000, REPEAT('x', 150), n FROM @schema.seq WHERE n < 300000 ORDER BY n",
		"ALTER TABLE @schema.t DROP COLUMN b, ALGORITHM=INSTANT"}},
	{name: "P7 secondary index churn", make: []string{
		"CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(60) NOT NULL, KEY (a), KEY (b, a))",
		"INSERT INTO @schema.t SELECT n + 1, CRC32(n) % 1000000, SHA2(n, 224) FROM @schema.seq WHERE n < 200000 ORDER BY n",
		"UPDATE @schema.t SET a = CRC32(id + 5) % 1000000, b = SHA2(id + 1000000, 224)"}},
	{name: "P8 wide, nullable, 5 indexes, 35% deleted", make: []string{
		`CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(50), c DATETIME, d DECIMAL(12,2), e CHAR(10), f VARCHAR(100), g DOUBLE,
 h ENUM('x','y','z'), i TIMESTAMP(3) NULL, j BIT(9), k DATE, KEY (a), KEY (b(10)), KEY (c, d), KEY (e, a), KEY (f(20), k))`,
		`INSERT INTO @schema.t SELECT n + 1, IF(n % 3, n, NULL), IF(n % 5, LEFT(SHA2(n, 224), 50), NULL), '2024-01-01 10:00:00' + INTERVAL n SECOND, n / 7,
 IF(n % 2, LEFT(SHA2(n, 224), 8), NULL), REPEAT('f', CRC32(n) % 100), IF(n % 4, n, NULL), 'y', '2024-01-01 10:00:00', 5, IF(n % 2, '2024-01-01', NULL)
 FROM @schema.seq WHERE n < 150000 ORDER BY n`,
		"DELETE FROM @schema.t WHERE CRC32(id) % 100 < 35"}},
	{name: "P9 random deletes 90%", make: []string{plain, fillPlain, "DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 90"}},
	{name: "P10 old half 90% deleted", make: []string{plain, fillPlain, "DELETE FROM @schema.t WHERE id < 130000 AND CRC32(id + 1) % 100 < 90"}},
	{name: "P11 partitions, 50% deleted", make: []string{
		"CREATE TABLE @schema.t (id INT NOT NULL, a INT NOT NULL, b VARCHAR(200) NOT NULL, PRIMARY KEY (id), KEY (a)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (65000), PARTITION p1 VALUES LESS THAN (130000), PARTITION P2 VALUES LESS THAN (195000), PARTITION pm VALUES LESS THAN MAXVALUE)",
		fillPlain, "DELETE FROM @schema.t WHERE id < 195000 AND CRC32(id + 1) % 100 < 60"}},
	{name: "P12 composite key, few tenants, 50% deleted", make: []string{
		"CREATE TABLE @schema.t (tenant SMALLINT NOT NULL, id INT NOT NULL, b VARCHAR(200) NOT NULL, PRIMARY KEY (tenant, id), KEY (id))",
		"INSERT INTO @schema.t SELECT CRC32(n) % 7, n, REPEAT('x', 40 * (CRC32(n) % 7) % 200) FROM @schema.seq",
		"DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P13 no primary key, 50% deleted", make: []string{
		"CREATE TABLE @schema.t (id INT NOT NULL, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY (a))", fillPlain,
		"DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P14 JSON, half rewritten smaller", make: []string{
		"CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, j JSON)",
		`INSERT INTO @schema.t SELECT n + 1, CONCAT('{"id": ', n, ', "tags": ["a", "b", "c"], "text": "', REPEAT('x', CRC32(n) % 400), '"}') FROM @schema.seq WHERE n < 200000 ORDER BY n`,
		`UPDATE @schema.t SET j = '{"id": 1}' WHERE id % 2 = 0`}},
	{name: "P15 REDUNDANT, 50% deleted", make: []string{plain + " ROW_FORMAT=REDUNDANT", fillPlain, "DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P15b COMPACT with text, 30% deleted", make: []string{
		"CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b MEDIUMTEXT) ROW_FORMAT=COMPACT",
		"INSERT INTO @schema.t SELECT n + 1, n, REPEAT('z', 200 + CRC32(n) % 11800) FROM @schema.seq WHERE n < 12000 ORDER BY n",
		"DELETE FROM @schema.t WHERE CRC32(id) % 100 < 30"}},
	{name: "P16 datetime key, 50% deleted", make: []string{
		"CREATE TABLE @schema.t (at DATETIME NOT NULL, id INT NOT NULL, b VARCHAR(200) NOT NULL, PRIMARY KEY (at, id))",
		"INSERT INTO @schema.t SELECT '2020-01-01' + INTERVAL n * 60 SECOND, n, REPEAT('x', 80 + CRC32(n) % 100) FROM @schema.seq ORDER BY n",
		"DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P17 COMPRESSED, 50% deleted", open: true, make: []string{
		"CREATE TABLE @schema.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY (a)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8",
		"INSERT INTO @schema.t SELECT n + 1, CRC32(n) % 1000000, CONCAT(SHA2(n, 256), REPEAT('x', 80)) FROM @schema.seq ORDER BY n",
		"DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P17b COMPRESSED, healthy", open: true, make: []string{
		"CREATE TABLE @schema.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY (a)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8",
		"INSERT INTO @schema.t SELECT n + 1, CRC32(n) % 1000000, CONCAT(SHA2(n, 256), REPEAT('x', 80)) FROM @schema.seq ORDER BY n"}},
	{name: "P18 FULLTEXT, 50% deleted", open: true, make: []string{
		"CREATE TABLE @schema.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(300) NOT NULL, FULLTEXT (b))",
		"INSERT INTO @schema.t SELECT n + 1, n, CONCAT('alpha', n % 500, ' beta', n % 300, ' gamma', CRC32(n) % 900, ' ', REPEAT('omega ', 20)) FROM @schema.seq WHERE n < 100000 ORDER BY n",
		"DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P19 virtual column indexed, 50% deleted", make: []string{
		"CREATE TABLE @schema.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(200) NOT NULL, v VARCHAR(40) AS (LEFT(b, 30)) VIRTUAL, KEY (v), KEY (a))",
		fillPlain, "DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P19b functional index, 50% deleted", open: true, only: mysqltest.MySQL, make: []string{
		"CREATE TABLE @schema.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY ((a + 1)), KEY ((UPPER(b))))",
		fillPlain, "DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
	{name: "P20 sparse ids (snowflake), 40% deleted", make: []string{plain,
		"INSERT INTO @schema.t SELECT 7000000000000000000 + n * 4194304 + CRC32(n) % 4096, n, REPEAT('x', 80 + CRC32(n) % 100) FROM @schema.seq ORDER BY n",
		"DELETE FROM @schema.t WHERE CRC32(a + 1) % 100 < 40"}},
	{name: "P22 big, 40% deleted", big: true, make: []string{
		"CREATE TABLE @schema.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(200) NOT NULL, KEY (a))",
		"INSERT INTO @schema.t SELECT n * 10 + k, CRC32(n * 10 + k) % 1000000, REPEAT('x', 80 + CRC32(n + k) % 100) FROM @schema.seq JOIN (SELECT 1 k UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10) k ORDER BY n, k",
		"DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 40"}},
	{name: "P21 wrong statistics", make: []string{plain + " STATS_AUTO_RECALC=0", fillPlain, "ANALYZE TABLE @schema.t",
		"DELETE FROM @schema.t WHERE CRC32(id + 1) % 100 < 50"}},
}
