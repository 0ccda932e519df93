package tablespace

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// readGrowth reads how the server's tablespaces grow, and the size of a page in memory.
func readGrowth(ctx context.Context, q dbconn.Querier, v dbconn.Version, t Table) (growth, pageSize, error) {
	g := growth{reserve: 0.125, slack: v.Flavor == dbconn.MySQL}
	var page int
	if err := q.QueryRowContext(ctx, "SELECT @@global.innodb_page_size").Scan(&page); err != nil {
		return g, 0, fmt.Errorf("read the page size: %w", err)
	}
	g.page, g.logical = pageSize(page), pageSize(page)
	if t.Has(Compressed) {
		block, err := blockSize(ctx, q, t)
		if err != nil {
			return g, 0, err
		}
		if block == 0 {
			block = page / 2 // the default of KEY_BLOCK_SIZE
		}
		g.page = pageSize(block)
	}
	if v.Flavor == dbconn.MariaDB {
		g.cap = 4
		return g, pageSize(page), nil
	}
	percent, err := number(ctx, q, "SELECT @@global.innodb_segment_reserve_factor") // 8.0.26
	if err != nil {
		return g, 0, err
	}
	if percent > 0 {
		g.reserve = percent / 100
	}
	if rawNames(v) && t.Partitions == 0 { // 8.0.23; a partition cannot have its own
		step, err := number(ctx, q, "SELECT AUTOEXTEND_SIZE FROM "+spacesView(v)+" WHERE NAME = ?", t.Schema+"/"+t.Name)
		if err != nil {
			return g, 0, err
		}
		g.step = int64(step)
	}
	return g, pageSize(page), nil
}

// number reads one number; 0 where the server does not have it.
func number(ctx context.Context, q dbconn.Querier, query string, args ...any) (float64, error) {
	var n sql.NullFloat64
	err := q.QueryRowContext(ctx, query, args...).Scan(&n)
	if code := dbconn.Code(err); code == 1193 || code == 1054 || isNoRows(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read how tablespaces grow: %w", err)
	}
	return n.Float64, nil
}

// blockPattern finds KEY_BLOCK_SIZE, in KiB, among the options of a table.
var blockPattern = regexp.MustCompile(`(?i)\bkey_block_size=(\d+)`)

// blockSize is the size of a compressed page in bytes, 0 when it is not told.
func blockSize(ctx context.Context, q dbconn.Querier, t Table) (int, error) {
	var options string
	err := q.QueryRowContext(ctx, "SELECT COALESCE(CREATE_OPTIONS, '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
		t.Schema, t.Name).Scan(&options)
	if isNoRows(err) {
		return 0, fmt.Errorf("read the options of %s: %w", t.Key(), ErrGone)
	}
	if err != nil {
		return 0, fmt.Errorf("read the options of %s: %w", t.Key(), err)
	}
	m := blockPattern.FindStringSubmatch(strings.ReplaceAll(options, "\"", ""))
	if m == nil {
		return 0, nil
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, fmt.Errorf("read the block size of %s: %w", t.Key(), err)
	}
	return n * 1024, nil
}

// fullTextBytes is the size of the files of a table's full-text indexes.
func fullTextBytes(ctx context.Context, q dbconn.Querier, v dbconn.Version, t Table) (int64, error) {
	one := &listed{Table: t}
	var err error
	if one.disk, err = DiskNameOf(ctx, q, v, t.Schema, t.Name); err != nil {
		return 0, err
	}
	if one.spaces, err = readSpaces(ctx, q, v, one.disk.String()); err != nil {
		return 0, err
	}
	for _, s := range one.spaces {
		if s.name == one.disk.String() {
			one.spaces, one.FileBytes = []space{s}, 0
			err := addFullText(ctx, q, v, []*listed{one})
			return one.FileBytes, err
		}
	}
	return 0, nil
}
