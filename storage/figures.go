package storage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine"
)

// sums are the figures of steps s, grouped by whoever uses them.
const sums = `COUNT(*) AS tables, COALESCE(SUM(CASE WHEN s.state IN ('pending', 'running') THEN 0 ELSE 1 END), 0) AS ended,
	COALESCE(SUM(CASE WHEN s.state = 'done' THEN 1 ELSE 0 END), 0) AS done, COALESCE(SUM(CASE WHEN s.state = 'skipped' THEN 1 ELSE 0 END), 0) AS skipped,
	CAST(COALESCE(SUM(CASE WHEN s.state = 'done' THEN s.before_bytes ELSE 0 END), 0) AS BIGINT) AS before_bytes,
	CAST(COALESCE(SUM(CASE WHEN s.state = 'done' THEN s.after_bytes ELSE 0 END), 0) AS BIGINT) AS after_bytes,
	CAST(COALESCE(SUM(CASE WHEN s.state = 'done' THEN s.took_ns ELSE 0 END), 0) AS BIGINT) AS took_ns`

// figuresOf sums the steps of jobs in two statements. A job whose steps are folded has the sums
// that were stored then, also while some of its steps are still there.
func figuresOf(ctx context.Context, tx Tx, ids []string) (map[string]*engine.Figures, error) {
	found := map[string]*engine.Figures{}
	if len(ids) == 0 {
		return found, nil
	}
	read := func(row Row) error {
		var id string
		var took int64
		f := &engine.Figures{}
		err := row.Scan(&id, &f.Tables, &f.Ended, &f.Done, &f.Skipped, &f.Before, &f.After, &took)
		f.Took, found[id] = time.Duration(took), f
		return err
	}
	list, args := oneOf(ids)
	if err := each(ctx, tx, read, "SELECT s.job_id, "+sums+" FROM steps s WHERE s.job_id IN ("+list+") GROUP BY s.job_id", args...); err != nil {
		return nil, fmt.Errorf("sum steps: %w", err)
	}
	err := each(ctx, tx, read, `SELECT f.job_id, f.tables, f.tables, f.done, f.skipped, f.before_bytes, f.after_bytes, f.took_ns
		FROM job_figures f WHERE f.job_id IN (`+list+")", args...)
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	return found, nil
}

// folded reads the sums of a job whose steps are no longer kept; nil for any other.
func folded(ctx context.Context, tx Tx, id string) (*engine.Figures, error) {
	var f *engine.Figures
	err := each(ctx, tx, func(row Row) error {
		f = &engine.Figures{}
		var took int64
		err := row.Scan(&f.Tables, &f.Done, &f.Skipped, &f.Before, &f.After, &took)
		f.Ended, f.Took = f.Tables, time.Duration(took)
		return err
	}, "SELECT tables, done, skipped, before_bytes, after_bytes, took_ns FROM job_figures WHERE job_id = $1", id)
	return f, err
}

// oneOf is a list of placeholders from $1 on, with its arguments.
func oneOf(ids []string) (list string, args []any) {
	var places []string
	for i, id := range ids {
		places = append(places, fmt.Sprintf("$%d", i+1))
		args = append(args, id)
	}
	return strings.Join(places, ", "), args
}

// conditions is a WHERE clause of only what is asked for: a clause that leaves out by OR what is
// not asked for hides its indexes from the planner.
type conditions struct {
	parts []string
	args  []any
}

// when adds a condition in which each ? stands for the next argument, unless ask is false.
func (c *conditions) when(ask bool, text string, args ...any) {
	if !ask {
		return
	}
	for _, a := range args {
		c.args = append(c.args, a)
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(c.args)), 1)
	}
	c.parts = append(c.parts, text)
}

// where is the clause with its keyword; empty when nothing is asked for.
func (c *conditions) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// limit is the LIMIT clause; it comes last.
func (c *conditions) limit(n int) string {
	c.args = append(c.args, n)
	return fmt.Sprintf(" LIMIT $%d", len(c.args))
}
