package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Pattern says which rows Fill deletes again.
type Pattern string

// The patterns of deletion.
const (
	Random Pattern = "random" // every page keeps a few rows: what fragments a table most
	Range  Pattern = "range"  // the oldest rows: whole pages become free inside the file
	None   Pattern = "none"   // nothing: a healthy table that a rebuild does not make smaller
)

// TableSpec describes one InnoDB table with a bigint key, a secondary index and
// a text payload. Filling is deterministic: the same spec gives the same rows.
type TableSpec struct {
	Schema        string
	Name          string
	Rows          int     // inserted, before the deletion
	RowBytes      int     // approximate size of a row. Defaults to 200.
	DeletePercent int     // of the rows, 0 to 100
	Pattern       Pattern // Defaults to Random.
}

func (t TableSpec) withDefaults() TableSpec {
	if t.RowBytes == 0 {
		t.RowBytes = 200
	}
	if t.Pattern == "" {
		t.Pattern = Random
	}
	return t
}

func (t TableSpec) quoted() string { return quoteName(t.Schema) + "." + quoteName(t.Name) }

// fillBatch is the number of rows per transaction: large enough to be quick,
// small enough that a replica applies one in a blink.
const fillBatch = 20_000

// fillTables is how many tables are filled at the same time.
const fillTables = 2

// Fill makes the tables on n, a primary, so that they replicate. A table that
// exists already is an error.
func Fill(ctx context.Context, n *Node, specs ...TableSpec) error {
	made := map[string]bool{}
	for _, t := range specs {
		if !made[t.Schema] {
			made[t.Schema] = true
			if err := n.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(t.Schema)); err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
	}
	fills, fillCtx := errgroup.WithContext(ctx)
	fills.SetLimit(fillTables)
	for _, t := range specs {
		fills.Go(func() error {
			if err := t.withDefaults().fill(fillCtx, n); err != nil {
				return fmt.Errorf("fill %s.%s: %w", t.Schema, t.Name, err)
			}
			return nil
		})
	}
	return fills.Wait()
}

// overhead is what a row costs beside its payload: key, two integers, header.
const overhead = 40

// fill creates, inserts and deletes in batches. Only functions that every
// server has are used: MD5 and SHA1 left MySQL in 9.6.
func (t TableSpec) fill(ctx context.Context, n *Node) error {
	payload := max(1, t.RowBytes-overhead)
	kind := fmt.Sprintf("VARCHAR(%d)", payload)
	if payload > 8000 {
		kind = "MEDIUMTEXT" // a row has to fit half a page, or its text moves out
	}
	create := fmt.Sprintf("CREATE TABLE %s (id BIGINT NOT NULL PRIMARY KEY, customer INT NOT NULL, amount INT NOT NULL, "+
		"payload %s CHARACTER SET latin1 NOT NULL, KEY customer (customer)) ENGINE=InnoDB", t.quoted(), kind)
	if err := n.Exec(ctx, create); err != nil {
		return err
	}
	insert := fmt.Sprintf("INSERT INTO %s SELECT i, CRC32(i) %% 10007, i %% 1000, LEFT(REPEAT(SHA2(i, 256), %d), %d) "+
		"FROM (SELECT ? + a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d AS i FROM %s a, %s b, %s c, %s e, (SELECT 0 d UNION ALL SELECT 1) f) numbers "+
		"WHERE i <= ? ORDER BY i", t.quoted(), payload/64+1, payload, digits, digits, digits, digits)
	for from := 0; from < t.Rows; from += fillBatch {
		if err := n.Exec(ctx, insert, from+1, min(from+fillBatch, t.Rows)); err != nil {
			return err
		}
	}
	return t.delete(ctx, n)
}

// digits is a table of the numbers 0 to 9.
const digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 " +
	"UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"

func (t TableSpec) delete(ctx context.Context, n *Node) error {
	last, filter := t.Rows, ""
	switch t.Pattern {
	case None:
		return nil
	case Range:
		last = t.Rows * t.DeletePercent / 100
	case Random:
		// Not id % 100, which would delete the same place of every page.
		filter = fmt.Sprintf(" AND CRC32(CONCAT('gone', id)) %% 100 < %d", t.DeletePercent)
	default:
		return fmt.Errorf("unknown pattern %q: use %s, %s or %s", t.Pattern, Random, Range, None)
	}
	for from := 0; t.DeletePercent > 0 && from < last; from += fillBatch {
		query := fmt.Sprintf("DELETE FROM %s WHERE id > ? AND id <= ?%s", t.quoted(), filter)
		if err := n.Exec(ctx, query, from, min(from+fillBatch, last)); err != nil {
			return err
		}
	}
	return nil
}

// WaitPurged returns when every running server has removed the deleted rows
// from its pages; sizes and statistics are stable only after that.
func (c *Cluster) WaitPurged(ctx context.Context) error {
	waits, waitCtx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes {
		if n.running() == nil {
			continue
		}
		waits.Go(func() error {
			if err := n.waitPurged(waitCtx); err != nil {
				return fmt.Errorf("%s: wait for purge: %w", n.Name, err)
			}
			return nil
		})
	}
	return waits.Wait()
}

// waitPurged polls the history list. MySQL takes purged transactions off it
// only every 128 batches, so an idle server would never come to the end; the
// frequency is raised for the time of the wait. Servers without the variable say
// in their monitor when purge has nothing left to do.
func (n *Node) waitPurged(ctx context.Context) (err error) {
	var frequency int
	if err := n.DB().QueryRowContext(ctx, "SELECT @@GLOBAL.innodb_purge_rseg_truncate_frequency").Scan(&frequency); err == nil {
		if err := n.Exec(ctx, "SET GLOBAL innodb_purge_rseg_truncate_frequency=1"); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, n.Exec(context.WithoutCancel(ctx), fmt.Sprintf("SET GLOBAL innodb_purge_rseg_truncate_frequency=%d", frequency)))
		}()
	}
	return poll(ctx, func() (bool, error) {
		if n.cluster.Flavor == MySQL56 {
			if idle, err := n.purgeIdle(ctx); idle || err != nil {
				return idle, err
			}
		}
		left, err := n.historyLength(ctx)
		if err == nil && left > 0 {
			return false, fmt.Errorf("history list length %d", left)
		}
		return err == nil, err
	})
}

// historyLength is the number of transactions purge has still to look at.
func (n *Node) historyLength(ctx context.Context) (int, error) {
	query := "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME='trx_rseg_history_len'"
	if n.cluster.Flavor == MariaDB {
		query = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='Innodb_history_list_length'"
	}
	var length int
	err := n.DB().QueryRowContext(ctx, query).Scan(&length)
	return length, err
}

// purgeIdle reads the state of the purge thread out of InnoDB's monitor.
func (n *Node) purgeIdle(ctx context.Context) (bool, error) {
	rows, err := queryRows(ctx, n.DB(), "SHOW ENGINE INNODB STATUS")
	if err != nil || len(rows) == 0 {
		return false, err
	}
	return strings.Contains(rows[0]["Status"], "state: running but idle"), nil
}
