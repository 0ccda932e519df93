package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pluginMistakes loads the example with these plugins and hooks of its first cluster.
func pluginMistakes(t *testing.T, plugins, hooks string) []string {
	t.Helper()
	text, err := os.ReadFile(example)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), "\nplugins:\n")
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, "\nclusters:\n")
	require.True(t, ok)
	tail = strings.Replace(tail, "hooks: []", "hooks: ["+hooks+"]", 1)
	path := filepath.Join(t.TempDir(), "recycler.yaml")
	require.NoError(t, os.WriteFile(path, []byte(head+"\nplugins:\n"+plugins+"\nclusters:\n"+tail), 0o600))
	_, err = Load(path, tokens)
	var bad *Error
	if err == nil {
		return nil
	}
	require.ErrorAs(t, err, &bad)
	var out []string
	for _, m := range bad.Mistakes {
		out = append(out, m.Path+": "+m.Text)
	}
	return out
}

func TestPlugins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	good, open, text := file("good", 0o755), file("open", 0o757), file("text", 0o644)
	openDir := filepath.Join(dir, "d")
	require.NoError(t, os.Mkdir(openDir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(openDir, "good"), nil, 0o700))
	require.NoError(t, os.Chmod(openDir, 0o777)) //nolint:gosec // it is what is refused
	require.NoError(t, os.Symlink(open, filepath.Join(dir, "link")))

	require.Empty(t, pluginMistakes(t, `
  - {name: drain, kind: hook, command: [`+good+`, --soft], env: {ADMIN: s3cret}}
  - {name: osc, kind: executor, command: [/bin/sh, `+text+`], account: osc, tables: ["shop.*"], when: always}
  - {name: space, kind: disk, command: [`+good+`]}
  - {name: cmdb, kind: validator, url: "http://127.0.0.1:8080/"}`, "drain"))

	for plugin, want := range map[string]string{
		`{name: A, kind: hook, command: [` + good + `]}`:                                                           `plugins[0].name: "A" is not a name of lower case letters, digits and dashes`,
		`{name: a, kind: validater, command: [` + good + `]}`:                                                      `plugins[0].kind: "validater" is unknown; did you mean validator?`,
		`{name: a, kind: hook}`:                                                                                    `plugins[0]: has neither a command nor a url`,
		`{name: a, kind: hook, url: "https://x.example", command: [` + good + `]}`:                                 `plugins[0]: has a command and a url; a plugin is one of them`,
		`{name: a, kind: hook, command: [good]}`:                                                                   `plugins[0].command: "good" is not an absolute path`,
		`{name: a, kind: hook, command: [` + dir + `/gone]}`:                                                       `plugins[0].command: ` + dir + `/gone is not there`,
		`{name: a, kind: hook, command: [` + text + `]}`:                                                           `plugins[0].command: ` + text + ` is no program; chmod +x makes a file one`,
		`{name: a, kind: hook, command: [` + open + `]}`:                                                           `plugins[0].command: ` + open + ` can be written by everybody; chmod o-w protects it`,
		`{name: a, kind: hook, command: [` + dir + `/link]}`:                                                       `plugins[0].command: ` + open + ` can be written by everybody; chmod o-w protects it`,
		`{name: a, kind: hook, command: [/bin/sh, ` + open + `]}`:                                                  `plugins[0].command: ` + open + ` can be written by everybody; chmod o-w protects it`,
		`{name: a, kind: hook, command: [` + openDir + `/good]}`:                                                   `plugins[0].command: ` + openDir + ` can be written by everybody; chmod o-w protects it`,
		`{name: a, kind: hook, url: "http://x.example"}`:                                                           `plugins[0].url: would be asked in plain text; use https`,
		`{name: a, kind: validator, url: "https://x.example", timeout: 5s}`:                                        `plugins[0].timeout: 5s is outside 100ms to 4s`,
		`{name: a, kind: validator, url: "https://x.example", account: x}`:                                         `plugins[0].account: is for an executor only`,
		`{name: a, kind: executor, url: "https://x.example"}`:                                                      `plugins[0].account: is missing; it is the user of the executor's sessions, and of nobody else`,
		`{name: a, kind: executor, url: "https://x.example", account: x, tables: [shop]}`:                          `plugins[0].tables[0]: "shop" is not schema.table, with * for any text`,
		`{name: a, kind: executor, url: "https://x.example", account: x, when: allways}`:                           `plugins[0].when: "allways" is unknown; did you mean always?`,
		`{name: a, kind: validator, url: "https://x.example", clusters: [db-prd]}`:                                 `plugins[0].clusters[0]: "db-prd" is unknown; did you mean db-prod?`,
		"{name: a, kind: hook, url: \"https://x.example\"}\n  - {name: a, kind: hook, url: \"https://x.example\"}": `plugins[1].name: a is there twice`,
	} {
		require.Equal(t, []string{want}, pluginMistakes(t, "\n  - "+plugin, ""), plugin)
	}
	hook := `{name: a, kind: hook, url: "https://x.example", clusters: [db-dev]}`
	require.Equal(t, []string{`clusters[0].hooks[0]: a is not for this cluster; add it to the plugin's clusters`}, pluginMistakes(t, "\n  - "+hook, "a"))
	require.Equal(t, []string{`clusters[0].hooks[0]: "b" is no plugin; name one of the section plugins`}, pluginMistakes(t, "\n  - "+hook, "b"))
	validator := `{name: a, kind: validator, url: "https://x.example"}`
	require.Equal(t, []string{`clusters[0].hooks[0]: a is a plugin of kind validator, not hook`}, pluginMistakes(t, "\n  - "+validator, "a"))
}
