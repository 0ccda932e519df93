package tablespace

import (
	"context"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
)

// measured is one row of the benchmark's report.
type measured struct {
	pattern               pattern
	before, after, free   int64
	sampled, counted      Prediction
	tookSampled, tookBoth time.Duration
	table                 Table
}

// BenchmarkPredict makes every pattern on every flavor, predicts with and without COUNT(*),
// rebuilds and prints predicted beside measured and beside DATA_FREE. RECYCLER_BENCH_ONLY picks
// patterns by a regular expression on their name.
func BenchmarkPredict(b *testing.B) {
	only := regexp.MustCompile(os.Getenv("RECYCLER_BENCH_ONLY"))
	for _, c := range clusters {
		b.Run(string(c.Flavor)+"-"+c.Version, func(b *testing.B) {
			for range b.N {
				var all []measured
				header(c)
				for _, p := range patterns {
					if p.only != "" && p.only != c.Flavor || p.big && os.Getenv("RECYCLER_BENCH_BIG") == "" || !only.MatchString(p.name) {
						continue
					}
					m := measure(b, c, p)
					m.print()
					all = append(all, m)
				}
				report(b, all)
			}
		})
	}
}

// measure makes one table, predicts it and rebuilds it.
func measure(b *testing.B, c *mysqltest.Cluster, p pattern) measured {
	b.Helper()
	ctx := context.Background()
	e := newEnv(b, c)
	defer func() { _ = e.node.Exec(ctx, "DROP DATABASE "+e.schema) }()
	e.numbers(b, 260_000)
	e.sql(b, p.make...)
	require.NoError(b, e.WaitPurged(ctx))
	if !strings.Contains(p.name, "wrong statistics") {
		e.sql(b, "ANALYZE TABLE @schema.t")
	}
	m := measured{pattern: p}
	var err error
	m.table, err = Find(ctx, e.srv, e.srv.Version, e.schema, "t")
	require.NoError(b, err)
	m.before, m.free = m.table.FileBytes, m.table.DataFree
	start := time.Now()
	m.sampled, err = Predict(ctx, e.srv, e.srv.Version, m.table, PredictOptions{})
	require.NoError(b, err)
	m.tookSampled = time.Since(start)
	m.counted, err = Predict(ctx, e.srv, e.srv.Version, m.table, PredictOptions{ExactRows: true, Budget: time.Minute})
	require.NoError(b, err)
	m.tookBoth = time.Since(start) - m.tookSampled
	e.sql(b, "ALTER TABLE @schema.t FORCE", "ANALYZE TABLE @schema.t")
	if os.Getenv("RECYCLER_BENCH_DETAIL") != "" {
		detail(b, e, m.table)
	}
	m.after, err = Size(ctx, e.srv, e.srv.Version, e.schema, "t")
	require.NoError(b, err)
	return m
}

const mib = 1 << 20

// off is the relative error of a prediction.
func off(p Prediction, after int64) float64 { return float64(p.Bytes-after) / float64(after) * 100 }

// header prints the names of the columns.
func header(c *mysqltest.Cluster) {
	fmt.Printf("\n%s %s, MiB\n%-46s %7s %7s %7s | %7s %7s  %-13s %15s %6s | %7s %7s %15s %6s\n", c.Flavor, c.Version, "pattern", "before", "after", "D_FREE",
		"sampled", "error", "how", "range", "ms", "counted", "error", "range", "ms")
}

// print prints one row, with what is wrong about it behind.
func (m measured) print() {
	mark := ""
	if m.pattern.open {
		mark = " (range only)"
	}
	if m.after < m.sampled.Low || m.after > m.sampled.High {
		mark += " OUT(s)"
	}
	if m.after < m.counted.Low || m.after > m.counted.High {
		mark += " OUT(c)"
	}
	if m.before-m.after < m.before/20 && (m.sampled.Worth(m.table, 0, 0.05) || m.counted.Worth(m.table, 0, 0.05)) {
		mark += " HEALTHY TABLE RECOMMENDED"
	}
	r := func(p Prediction) string { return fmt.Sprintf("%.1f-%.1f", f(p.Low), f(p.High)) }
	fmt.Printf("%-46s %7.1f %7.1f %7.1f | %7.1f %+6.1f%%  %-13s %15s %6d | %7.1f %+6.1f%% %15s %6d%s\n", m.pattern.name, f(m.before), f(m.after), f(m.free),
		f(m.sampled.Bytes), off(m.sampled, m.after), m.sampled.How, r(m.sampled), m.tookSampled.Milliseconds(),
		f(m.counted.Bytes), off(m.counted, m.after), r(m.counted), m.tookBoth.Milliseconds(), mark)
}

// report gives the figures the targets are set in: tables above 30 MiB.
func report(b *testing.B, all []measured) {
	b.Helper()
	var sampled, counted []float64
	for _, m := range all {
		if m.pattern.open || m.before < 30*mib {
			continue
		}
		sampled, counted = append(sampled, math.Abs(off(m.sampled, m.after))), append(counted, math.Abs(off(m.counted, m.after)))
	}
	for name, errs := range map[string][]float64{"sampled": sampled, "counted": counted} {
		if len(errs) == 0 {
			continue
		}
		slices.Sort(errs)
		b.ReportMetric(errs[len(errs)/2], name+"-median-%")
		b.ReportMetric(errs[len(errs)-1], name+"-worst-%")
	}
}

// f is a size in MiB.
func f(n int64) float64 { return float64(n) / mib }

// detail prints the predicted pages of each index beside those of the rebuilt table.
func detail(b *testing.B, e *env, t Table) {
	b.Helper()
	ctx := context.Background()
	p := &predictor{b: &budget{q: e.srv, v: e.srv.Version, until: time.Now().Add(time.Minute)}, v: e.srv.Version, t: t, o: PredictOptions{ExactRows: true}.withDefaults()}
	require.NoError(b, p.prepare(ctx))
	units, err := p.units(ctx)
	require.NoError(b, err)
	for _, u := range units {
		s := p.sampler(1)
		got, err := s.read(ctx, u.name)
		require.NoError(b, err)
		n, spread, ok := got.rows()
		exact, _, err := p.count(ctx, p.b, u)
		require.NoError(b, err)
		shape := p.shape(got)
		fmt.Printf("  unit %q rows: density %.0f (%.3f, %v) statistics %.0f count %.0f\n", u.name, n, spread, ok, u.rows, exact)
		segments := p.segments(shape, exact, u, middling)
		fmt.Printf("    PRIMARY leaf+lob predicted %.0f real %.0f, size %.0f\n", segments[0], p.stats.used[[2]string{u.name, "PRIMARY"}], p.stats.size[[2]string{u.name, "PRIMARY"}])
		for i, ix := range p.l.secondary {
			fmt.Printf("    %s leaf predicted %.0f real %.0f, size %.0f\n", ix.name, shape.secondary[i].leaf*exact, p.stats.pages(u, ix.name), p.stats.size[[2]string{u.name, ix.name}])
		}
	}
}
