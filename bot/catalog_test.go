package bot

import (
	"go/ast"
	goparser "go/parser"
	gotoken "go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// keysIn lists the constants of type key, from the source: a key that nobody translated must be
// found even when no test draws it.
func keysIn(t *testing.T) map[string]key {
	t.Helper()
	out := map[string]key{}
	for _, name := range []string{"keys.go", "keys_schedule.go", "keys_screens.go", "keys_rules.go"} {
		file, err := goparser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				out[v.Names[0].Name] = key(strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`))
			}
			return true
		})
	}
	require.Greater(t, len(out), 200)
	return out
}

func TestCatalogIsComplete(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`\{[a-z]+\}`)
	names := func(s string) []string {
		first, second, ok := strings.Cut(s, "|")
		all := name.FindAllString(first, -1)
		slices.Sort(all)
		if ok { // both forms may use fewer names than the other language, never others
			for _, n := range name.FindAllString(second, -1) {
				if !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
			slices.Sort(all)
		}
		return slices.Compact(all)
	}
	keys := keysIn(t)
	for constant, k := range keys {
		require.NotEmpty(t, english[k], constant)
		require.NotEmpty(t, chinese[k], constant)
		require.Equal(t, names(english[k]), names(chinese[k]), constant)
	}
	require.Len(t, englishMain, len(english)-len(englishSchedules)-len(englishScreens)-len(englishRules), "a text is in two files")
	require.Len(t, english, len(keys), "a text without a key, or two keys of one name")
	require.Len(t, chinese, len(keys))
}

func TestChineseIsChinese(t *testing.T) {
	t.Parallel()
	same := []key{kListComma, kFullStop, kDigestEnded, kListDays, kHomeSlot, kNoticeInfo, kComment, kVersion, kFrom, kDiffOf}
	for k, s := range chinese {
		if slices.Contains(same, k) {
			continue
		}
		require.True(t, strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }), "%s: %s", k, s)
		require.False(t, strings.ContainsAny(s, ",;?") && !strings.Contains(s, "binlog"), "half-width punctuation in %s: %s", k, s)
	}
}

func TestEveryVerbAndFlagIsExplained(t *testing.T) {
	t.Parallel()
	for _, l := range []Locale{English, Chinese} {
		all := Text(help(l, ""))
		for _, g := range grammar {
			require.Contains(t, all, "  "+string(g.verb))
			require.NotEmpty(t, verbHelp[g.verb], g.verb)
			topic := Text(help(l, string(g.verb)))
			for _, f := range flagNames(g.verb) {
				require.Contains(t, topic, "--"+f)
			}
		}
		require.NotContains(t, Text(help(l, "run")), "--after", "only the bot writes it")
	}
}

func TestNumbersCarryUnits(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 512: "512 B", 1536: "1.5 KiB", 64 << 20: "64.0 MiB", 300 << 20: "300 MiB",
		1023 << 20: "1023 MiB", 1<<30 - 1: "1.0 GiB", 3 << 40: "3.0 TiB", -5 << 20: "−5.0 MiB"} {
		require.Equal(t, want, bytesOf(n))
	}
	require.Equal(t, "░░░░░░░░░░░░░░░░░░░░", bar(-1))
	require.Equal(t, "▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓░", bar(0.999))
	require.Equal(t, "▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓", bar(2))
	for d, want := range map[string]string{"0s": "0 s", "300ms": "300 ms", "119s": "119 s", "3m20s": "3 min", "119m": "119 min", "125m": "2 h 05 min"} {
		x, ok := parseWait(d)
		require.True(t, ok)
		require.Equal(t, want, English.span(x), d)
	}
	require.Equal(t, Chinese, LocaleOf("zh-CN"))
	require.Equal(t, Chinese, LocaleOf("zh_tw"))
	require.Equal(t, English, LocaleOf("fr-FR"))
}
