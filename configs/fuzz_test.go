package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad throws files at Load: it must answer with a configuration or an *Error that names its
// file, never with a panic, and never with the secret that stands in the text.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(example), minimal, "", "clusters: [1, null, [], {}]", "mysql: {password: [hunter2]}",
		"slack: {bot_token: !!binary aHVudGVyMg==}", "clusters: [{hosts: [{addr: '[::1]:x'}], allow: ['[', ':', '::1/0', '[::1']}]",
		"1: 2", "? [a]: b", "log: {level: 2001-01-01}", "engine: {workers: 99999999999999999999}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "recycler.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, []string{"RECYCLER_DB_PASSWORD=correct horse battery staple"})
		var e *Error
		switch {
		case err == nil:
		case !errors.As(err, &e) || len(e.Mistakes) == 0 || e.File != path:
			t.Fatalf("%T: %v", err, err)
		case strings.Contains(err.Error(), "correct horse"):
			t.Fatalf("tells a secret: %v", err)
		}
	})
}
