package tablespace

import (
	"context"
	"fmt"
	"math"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// unit is one tablespace of a table: a partition, or the table itself with an empty name.
type unit struct {
	name string
	rows float64 // from statistics
}

// units lists the partitions; a table without any is one unit.
func (p *predictor) units(ctx context.Context) ([]unit, error) {
	whole := []unit{{rows: p.stats.rows("", float64(p.t.Rows))}}
	if p.t.Partitions == 0 {
		return whole, nil
	}
	rows, err := p.b.QueryContext(ctx, `SELECT COALESCE(SUBPARTITION_NAME, PARTITION_NAME), PARTITION_NAME, COALESCE(TABLE_ROWS, 0)
 FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND PARTITION_NAME IS NOT NULL
 ORDER BY PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION`, p.t.Schema, p.t.Name)
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", p.t.Key(), err)
	}
	defer func() { _ = rows.Close() }()
	var out []unit
	for rows.Next() {
		var u unit
		var parent string
		if err := rows.Scan(&u.name, &parent, &u.rows); err != nil {
			return nil, fmt.Errorf("list the partitions of %s: %w", p.t.Key(), err)
		}
		u.rows = p.stats.rows(u.name, u.rows)
		out = append(out, u)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", p.t.Key(), err)
	}
	if len(out) == 0 {
		return whole, nil
	}
	return out, nil
}

// statistics are InnoDB's persistent statistics of a table, by partition in lower case ("" for
// the table itself).
type statistics struct {
	nRows map[string]float64
	used  map[[2]string]float64 // leaf pages in use, by partition and index
	size  map[[2]string]float64 // pages reserved
}

// rows is the row estimate of a partition, fallback where there is none.
func (s statistics) rows(partition string, fallback float64) float64 {
	if n, ok := s.nRows[strings.ToLower(partition)]; ok {
		return n
	}
	return fallback
}

// pages is the leaf pages of an index in use.
func (s statistics) pages(u unit, index string) float64 {
	return s.used[[2]string{strings.ToLower(u.name), index}]
}

// readStatistics reads mysql.innodb_table_stats and innodb_index_stats, where names are not
// encoded but partitions are appended as in file names. Without the privilege (1142) or the
// tables (1146) there are none.
func readStatistics(ctx context.Context, q dbconn.Querier, t Table) (statistics, error) {
	s := statistics{nRows: map[string]float64{}, used: map[[2]string]float64{}, size: map[[2]string]float64{}}
	scan := func(query string, take func(name, index, stat string, value float64)) error {
		rows, err := q.QueryContext(ctx, query, t.Schema, len([]rune(t.Name)), t.Name)
		if c := dbconn.Code(err); c == 1142 || c == 1146 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the statistics of %s: %w", t.Key(), err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var name, index, stat string
			var value float64
			if err := rows.Scan(&name, &index, &stat, &value); err != nil {
				return fmt.Errorf("read the statistics of %s: %w", t.Key(), err)
			}
			if unit, ok := unitOf(name, t.Name); ok {
				take(unit, index, stat, value)
			}
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("read the statistics of %s: %w", t.Key(), err)
		}
		return nil
	}
	err := scan("SELECT table_name, '', '', n_rows FROM mysql.innodb_table_stats WHERE database_name = ? AND LEFT(table_name, ?) = ?",
		func(unit, _, _ string, n float64) { s.nRows[unit] = n })
	if err != nil {
		return s, err
	}
	err = scan("SELECT table_name, index_name, stat_name, stat_value FROM mysql.innodb_index_stats WHERE database_name = ?"+
		" AND LEFT(table_name, ?) = ? AND stat_name IN ('size', 'n_leaf_pages')",
		func(unit, index, stat string, n float64) {
			if stat == "size" {
				s.size[[2]string{unit, index}] = n
			} else {
				s.used[[2]string{unit, index}] = n
			}
		})
	return s, err
}

// unitOf is the partition a statistics row is about, in lower case; ok is false when it is about
// another table whose name begins alike.
func unitOf(name, table string) (string, bool) {
	rest, ok := strings.CutPrefix(name, table)
	if !ok {
		return "", false
	}
	if rest == "" {
		return "", true
	}
	lower := strings.ToLower(rest)
	if !strings.HasPrefix(lower, "#p#") {
		return "", false
	}
	lower = strings.TrimPrefix(lower, "#p#")
	if i := strings.LastIndex(lower, "#sp#"); i >= 0 {
		lower = lower[i+len("#sp#"):]
	}
	return lower, true
}

// counted is a number of rows, the way it was found and its relative standard error.
type counted struct {
	rows   float64
	how    string
	spread float64
	note   string // of something that may hide how few they are
}

// noteStuck is told when the server could not dive into a key in the time it was given.
const noteStuck = "deleted rows that are not purged yet, or slow reads, are in the way of sampling it"

// rows finds the number of rows of a unit: COUNT(*) when asked for, else the density of the
// sampled keys, else statistics.
func (p *predictor) rows(ctx context.Context, b *budget, u unit, s *sample) (counted, error) {
	if p.o.ExactRows {
		n, ok, err := p.count(ctx, b, u)
		if err != nil {
			return counted{}, err
		}
		if ok {
			return counted{rows: n, how: HowCount}, nil
		}
	}
	if n, spread, ok := s.rows(); ok && spread < 0.1 {
		return counted{rows: n, how: HowSampled, spread: spread}, nil
	}
	spread := 0.08 // what 20 sampled pages give for ordinary rows; measured, see the benchmark
	if s.hasLong(p.l) {
		spread = 0.2
	}
	n := counted{rows: u.rows, how: HowStatistics, spread: spread}
	if s.stuck {
		n.note = noteStuck
	}
	return n, nil
}

// hasLong reports whether sampled rows have columns off page; InnoDB's estimate of their number is
// a third off then.
func (s *sample) hasLong(l *layout) bool {
	for _, st := range s.strata {
		for _, r := range st.rows {
			sum := int64(0)
			for i, c := range l.columns {
				if c.fixed < 0 {
					sum += r.length[i]
				}
			}
			if sum > 4096 {
				return true
			}
		}
	}
	return false
}

// count runs COUNT(*); ok is false when the time for it was over.
func (p *predictor) count(ctx context.Context, b *budget, u unit) (float64, bool, error) {
	from := dbconn.QuoteName(p.t.Schema, p.t.Name)
	if u.name != "" {
		from += " PARTITION (" + dbconn.QuoteName(u.name) + ")"
	}
	var n int64
	err := b.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+from).Scan(&n)
	if b.spent(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("count the rows of %s: %w", p.t.Key(), err)
	}
	return math.Max(0, float64(n)), true, nil
}
