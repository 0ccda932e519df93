package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// delim separates keys inside koanf. It is no dot, because a key may hold one; no key can hold this.
const delim = "\x00"

// Variables maps the environment variables that are read to the keys they override. Each of the
// secret ones can also be given as NAME_FILE, the path of a file that holds it.
func Variables() map[string]string {
	return map[string]string{
		"RECYCLER_SLACK_BOT_TOKEN":      "slack.bot_token",
		"RECYCLER_SLACK_BOT_TOKEN_FILE": "slack.bot_token_file",
		"RECYCLER_SLACK_APP_TOKEN":      "slack.app_token",
		"RECYCLER_SLACK_APP_TOKEN_FILE": "slack.app_token_file",
		"RECYCLER_SLACK_API_URL":        "slack.api_url",
		"RECYCLER_DB_PASSWORD":          "mysql.password",
		"RECYCLER_DB_PASSWORD_FILE":     "mysql.password_file",
		"RECYCLER_LOG_LEVEL":            "log.level",
		"RECYCLER_STORAGE_URL":          "storage.url",
		"RECYCLER_STORAGE_URL_FILE":     "storage.url_file",
	}
}

// Load reads the file at path and the variables of env (as os.Environ gives them), and returns
// the whole configuration, checked, or an *Error with every mistake. Secret files are read and
// must be there; paths in the file are relative to its folder.
func Load(path string, env []string, opts ...Option) (Config, error) {
	cfg, _, err := load(path, env, opts...)
	return cfg, err
}

func load(path string, env []string, opts ...Option) (Config, origins, error) {
	k := koanf.New(delim)
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return Config{}, origins{}, readError(path, err)
	}
	from := origins{file: k.Raw()}
	cfg, m := build(k, path, env, &from, opts...)
	if len(m) > 0 {
		return Config{}, from, &Error{File: path, Mistakes: m}
	}
	return cfg, from, nil
}

// build decodes, inherits, reads secret files and validates, noting every mistake.
func build(k *koanf.Koanf, path string, environ []string, from *origins, opts ...Option) (Config, mistakes) {
	var m mistakes
	from.variables = overlay(&m, k, environ)
	cfg := Defaults()
	decode(&m, "", k.Raw(), reflect.ValueOf(&cfg).Elem())
	for _, opt := range opts {
		opt(&cfg)
	}
	cfg.inherit()
	cfg.anchor(filepath.Dir(path))
	cfg.readSecrets(&m)
	cfg.validate(&m)
	return cfg, m
}

// quoted is where the YAML parser repeats a value, which may be a secret.
var quoted = regexp.MustCompile("`[^`]*`")

// readError turns what koanf says about an unreadable file into one mistake.
func readError(path string, err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = "the file does not exist"
	case errors.Is(err, fs.ErrPermission):
		text = "the file cannot be read by this user"
	}
	return &Error{File: path, Mistakes: []Mistake{{Text: quoted.ReplaceAllString(strings.TrimPrefix(text, "yaml: "), "…")}}}
}

// overlay lays the environment over the file. A variable also beats its sibling in the file: a
// token in the environment makes the file's bot_token_file void, and the other way round. It returns
// the variables by their keys.
func overlay(m *mistakes, k *koanf.Koanf, environ []string) map[string]string {
	given := map[string]string{}
	vars := Variables()
	provider := env.Provider(delim, env.Opt{
		Prefix:      "RECYCLER_",
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key, known := vars[name]
			if !known || value == "" {
				return "", nil
			}
			given[name] = key
			return strings.ReplaceAll(key, ".", delim), value
		},
	})
	values, err := provider.Read()
	if err != nil {
		m.err("environment", err)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		sibling, isFile := strings.CutSuffix(name, "_FILE")
		if !isFile {
			sibling = name + "_FILE"
		}
		if _, both := given[sibling]; both && !isFile {
			m.addf(name, "is set together with %s; set one of them", sibling)
		}
		if key, ok := vars[sibling]; ok {
			k.Delete(strings.ReplaceAll(key, ".", delim))
		}
	}
	m.err("environment", k.Load(fixed(values), nil))
	byKey := map[string]string{}
	for name, key := range given {
		byKey[key] = name
	}
	return byKey
}

// fixed is a koanf provider of a map that is already read.
type fixed map[string]any

// ReadBytes is not how a map is read.
func (fixed) ReadBytes() ([]byte, error) { return nil, errors.New("a map has no bytes") }

// Read returns the map.
func (f fixed) Read() (map[string]any, error) { return f, nil }

// anchor makes the file's relative paths absolute, so that the working directory does not matter.
func (c *Config) anchor(dir string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	for _, p := range append(c.paths(), &c.Engine.Cache.Dir, &c.Backup.Folder) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

// paths are all fields that name a file.
func (c *Config) paths() []*string {
	out := []*string{&c.Slack.BotTokenFile, &c.Slack.AppTokenFile, &c.Storage.URLFile, &c.API.TLSCert, &c.API.TLSKey,
		&c.Traces.TokenFile, &c.MySQL.PasswordFile, &c.MySQL.TLS.CA, &c.MySQL.TLS.Cert, &c.MySQL.TLS.Key}
	for i := range c.Plugins {
		out = append(out, &c.Plugins[i].TokenFile)
	}
	for i := range c.Clusters {
		l := &c.Clusters[i]
		out = append(out, &l.MySQL.PasswordFile, &l.MySQL.TLS.CA, &l.MySQL.TLS.Cert, &l.MySQL.TLS.Key, &l.External.TokenFile)
	}
	return out
}

// readSecrets fills the tokens that are in files. Passwords are only tried: MySQL.Secret reads
// them again at every connect.
func (c *Config) readSecrets(m *mistakes) {
	one := func(path string, value *Secret, from string) {
		if from == "" {
			return
		}
		if value.Set() {
			m.addf(path, "is set together with %s_file; set one of them", path[strings.LastIndexByte(path, '.')+1:])
			return
		}
		text, err := readSecret(from)
		m.err(path+"_file", err)
		*value = NewSecret(text)
	}
	one("slack.bot_token", &c.Slack.BotToken, c.Slack.BotTokenFile)
	one("slack.app_token", &c.Slack.AppToken, c.Slack.AppTokenFile)
	if c.Storage.URLFile != "" && c.Storage.URL.Reveal() == defaultStorage {
		c.Storage.URL = Secret{} // a default is not a second place
	}
	one("traces.token", &c.Traces.Token, c.Traces.TokenFile)
	one("storage.url", &c.Storage.URL, c.Storage.URLFile)
	for i := range c.Plugins {
		one(fmt.Sprintf("plugins[%d].token", i), &c.Plugins[i].Token, c.Plugins[i].TokenFile)
	}
	tried := c.MySQL.Password
	one("mysql.password", &tried, c.MySQL.PasswordFile)
	for i := range c.Clusters {
		l := &c.Clusters[i]
		at := fmt.Sprintf("clusters[%d].", i)
		one(at+"external.token", &l.External.Token, l.External.TokenFile)
		if l.MySQL.PasswordFile != c.MySQL.PasswordFile { // an inherited file is told once, where it is written
			tried = l.MySQL.Password
			one(at+"mysql.password", &tried, l.MySQL.PasswordFile)
		}
	}
}

// Secret returns the password as it is now: from the file, if there is one. No password is the
// empty text.
func (l MySQL) Secret() (string, error) {
	if l.PasswordFile != "" {
		return readSecret(l.PasswordFile)
	}
	return l.Password.Reveal(), nil
}

// readSecret reads a file with one secret; a line feed at the end is not part of it.
func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" {
		return "", fmt.Errorf("read secret: %s is empty", path)
	}
	return text, nil
}

func sortedKeys(section map[string]any) []string { return slices.Sorted(maps.Keys(section)) }
