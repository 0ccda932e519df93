package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const (
	alertRules = "../../configs/deploy/prometheus-alerts.yaml"
	dashboard  = "../../configs/deploy/grafana-dashboard.json"
)

// promtool runs Prometheus' own checker.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	require.NoError(t, err, "install it with: .ci/deps promtool")
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "promtool %v: %s", args, out)
}

// panel is what of a dashboard's panel a test looks at.
type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr string }
}

func readDashboard(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	require.NoError(t, err)
	var d struct{ Panels []panel }
	require.NoError(t, json.Unmarshal(text, &d))
	require.Greater(t, len(d.Panels), 15)
	return d.Panels
}

// TestAlertsAndDashboard has Prometheus read every rule and every expression, and the alerts ring
// when they must.
func TestAlertsAndDashboard(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", alertRules)
	promtool(t, "", "test", "rules", "../../configs/testdata/prometheus-alerts-test.yaml")

	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	var ids []int
	for _, p := range readDashboard(t) {
		require.NotContains(t, ids, p.ID)
		ids = append(ids, p.ID)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, q := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$instance", ".*").Replace(q.Expr)
			require.NotContains(t, expr, "$", p.Title)
			rules = append(rules, rule{fmt.Sprintf("panel:%d:%d", p.ID, len(rules)), expr})
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []map[string]any{{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "dashboard.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	promtool(t, "", "check", "rules", path)
}

var (
	usedMetric = regexp.MustCompile(`\b(?:recycler|process|go)_[a-z_]+`)
	seenMetric = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	usedLabel  = regexp.MustCompile(`\b(recycler_[a-z_]+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`([a-z_]+) ?(?:=~|!~|!=|=)`)
)

// lookAtMetrics compares a scrape of a server that has done all kinds of things with what alerts and
// dashboard ask for, and has Prometheus read it.
func lookAtMetrics(t *testing.T, scrape string) {
	t.Helper()
	promtool(t, scrape, "check", "metrics")
	there := map[string]string{}
	for _, m := range seenMetric.FindAllStringSubmatch(scrape, -1) {
		there[m[1]] = m[2]
	}
	base := func(name string) string {
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if short, cut := strings.CutSuffix(name, suffix); cut && there[short] == "histogram" {
				return short
			}
		}
		return name
	}
	rules, err := os.ReadFile(alertRules)
	require.NoError(t, err)
	var exprs []string
	for _, line := range strings.Split(string(rules), "\n") {
		if expr, ok := strings.CutPrefix(strings.TrimSpace(line), "expr: "); ok {
			exprs = append(exprs, expr)
		}
	}
	for _, p := range readDashboard(t) {
		for _, q := range p.Targets {
			exprs = append(exprs, q.Expr)
		}
	}
	names := map[string]bool{}
	for _, expr := range exprs {
		for _, name := range usedMetric.FindAllString(expr, -1) {
			names[name] = true
			require.Contains(t, there, base(name), expr)
		}
		for _, m := range usedLabel.FindAllStringSubmatch(expr, -1) {
			for _, label := range labelName.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains([]string{"instance", "job"}, label[1]) { // Prometheus adds those
					require.Regexp(t, `(?m)^`+m[1]+`\{[^}]*`+label[1]+`="`, scrape, expr)
				}
			}
		}
	}
	require.Greater(t, len(names), 15)
}
