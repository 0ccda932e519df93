package configs

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const example = "recycler.example.yaml"

// tokens is an environment that makes the example complete.
var tokens = []string{"RECYCLER_SLACK_BOT_TOKEN=xoxb-1", "RECYCLER_SLACK_APP_TOKEN=xapp-1"}

// TestExampleIsTheDefaults holds the example's values and Defaults together, so that neither the
// file nor its comments can lie.
func TestExampleIsTheDefaults(t *testing.T) {
	t.Parallel()
	got, err := Load(example, tokens)
	require.NoError(t, err)

	want := Defaults()
	want.Slack.BotToken, want.Slack.AppToken = NewSecret("xoxb-1"), NewSecret("xapp-1")

	full := DefaultCluster()
	full.Name, full.Channel, full.MySQL = "db-prod", "C0123ABCD", want.MySQL
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("db-prod-%d", i)
		full.Hosts = append(full.Hosts, Host{Name: name, Addr: name + ".example.net:3306"})
	}
	full.Approvers = Approvers{Users: []string{"U0123ALICE", "U0123BOB"}, MinApprovals: 1}

	short := DefaultCluster()
	short.Name, short.Environment, short.Channel, short.MySQL = "db-dev", "development", "C0456EFGH", want.MySQL
	short.Hosts = []Host{{Name: "db-dev-1", Addr: "db-dev-1:3306"}, {Name: "db-dev-2", Addr: "db-dev-2:3306"}}
	short.Approvers = Approvers{Groups: []string{"S0123DBAS"}, MinApprovals: 1}

	want.Clusters = []Cluster{full, short}
	want.Plugins = []Plugin{{Name: "inventory", Kind: "validator", URL: "https://inventory.example.net/recycler", Clusters: []string{"db-prod"}}}
	require.Equal(t, want, got)
}

// TestExampleHasEveryKey finds a field that the example forgot.
func TestExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(example)
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, yaml.Unmarshal(text, &file))
	missing(t, "", reflect.TypeFor[Config](), file)
}

func missing(t *testing.T, path string, typ reflect.Type, section map[string]any) {
	t.Helper()
	for i, key := range keysOf(typ) {
		at := join(path, key)
		require.Contains(t, section, key, "the example does not show %s", at)
		switch field := typ.Field(i).Type; {
		case field.Kind() == reflect.Struct && field != secretType:
			missing(t, at, field, section[key].(map[string]any))
		case field.Kind() == reflect.Slice && field.Elem().Kind() == reflect.Struct:
			missing(t, at+"[0]", field.Elem(), section[key].([]any)[0].(map[string]any))
		}
	}
}

var defaultsTo = regexp.MustCompile(`Defaults to\s+(\S+?)\.?(\s|$)`)

// TestDocCommentsTellTheDefaults reads "Defaults to …" in the comments of the fields and compares
// it with the value; a default that is not zero must be told.
func TestDocCommentsTellTheDefaults(t *testing.T) {
	t.Parallel()
	values := map[string]reflect.Value{}
	for _, v := range []any{Defaults(), DefaultCluster(), Defaults().Slack, Defaults().Slack.Digest, Defaults().Storage, Defaults().Storage.Retention, Defaults().Node, Defaults().Log,
		Defaults().Language, Defaults().Approvals, Defaults().Approvals.Approvers, Defaults().Engine, Defaults().Engine.Cache, Defaults().Schedules, Defaults().API, Defaults().MySQL,
		Defaults().MySQL.TLS, DefaultCluster().Rebuild, DefaultCluster().Rebuild.Window, DefaultCluster().Limits, DefaultCluster().Policy,
		DefaultCluster().External, DefaultCluster().BreakGlass, DefaultCluster().Commands, People{}, Host{}} {
		values[reflect.TypeOf(v).Name()] = reflect.ValueOf(v)
	}
	told := 0
	for _, name := range []string{"config.go", "cluster.go", "schedules.go", "api.go", "digest.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			typ, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			fields, ok := typ.Type.(*ast.StructType)
			require.True(t, ok, "%s is no struct", typ.Name.Name)
			v, ok := values[typ.Name.Name]
			require.True(t, ok, "the test does not know %s", typ.Name.Name)
			for _, f := range fields.Fields.List {
				told += compareDoc(t, typ.Name.Name+"."+f.Names[0].Name, f.Doc.Text(), v.FieldByName(f.Names[0].Name))
			}
			return false
		})
	}
	require.Greater(t, told, 30)
}

func compareDoc(t *testing.T, path, doc string, v reflect.Value) int {
	t.Helper()
	if found := defaultsTo.FindStringSubmatch(doc); found != nil {
		var text string
		switch d := v.Interface().(type) {
		case time.Duration:
			want, err := ParseDuration(strings.Trim(found[1], `"`))
			require.NoError(t, err, path)
			require.Equal(t, want, d, path)
			return 1
		case Secret:
			text = strconv.Quote(d.Reveal())
		case Size:
			text = strconv.Quote(d.String())
		case string:
			text = strconv.Quote(d)
		case []string:
			text = strings.ReplaceAll(fmt.Sprintf("%q", d), " ", ",")
		default:
			text = fmt.Sprint(d)
		}
		require.Equal(t, text, found[1], path)
		return 1
	}
	if v.Kind() != reflect.Struct {
		require.True(t, v.IsZero(), "%s has a default that its comment does not tell", path)
		require.NotEmpty(t, doc, "%s has no comment", path)
	}
	return 0
}

// TestExampleNamesEveryVariable keeps the list at the top of the example complete.
func TestExampleNamesEveryVariable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(example)
	require.NoError(t, err)
	for name := range Variables() {
		if !strings.HasSuffix(name, "_FILE") {
			require.True(t, bytes.Contains(text, []byte(name)), "%s", name)
		}
	}
}
