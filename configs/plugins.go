package configs

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Plugin is a program of others that takes part in jobs: a command or an HTTP service. The contract
// is in the package comment of engine/plugin, examples are in configs/plugins.
type Plugin struct {
	// Name is how cards and logs call it. Required.
	Name string `yaml:"name"`
	// Kind is validator (can only refuse a host), executor (rebuilds tables in place of our
	// statement), hook (takes a node out of service and puts it back) or disk (tells what is free on
	// a host, where the server cannot). Required.
	Kind string `yaml:"kind"`
	// Command is an absolute path and its arguments; never run through a shell.
	Command []string `yaml:"command"`
	// Env is the environment of the command beside PATH and LANG. Values never print.
	Env map[string]Secret `yaml:"env"`
	// URL gets each question by POST, in place of a command; https, or http on this machine.
	URL string `yaml:"url"`
	// Token is sent to the URL as a bearer token.
	Token Secret `yaml:"token"`
	// TokenFile holds the token.
	TokenFile string `yaml:"token_file"`
	// Timeout bounds one answer; 0 is what fits the kind: 2s for a validator and disk, 1m for a
	// hook, 24h for one table of an executor.
	Timeout time.Duration `yaml:"timeout"`
	// Clusters it is for; empty: all.
	Clusters []string `yaml:"clusters"`
	// Tables of an executor, schema.table with * for any text; empty: all.
	Tables []string `yaml:"tables"`
	// When an executor takes one of its tables: not-online (the server could only block its writers,
	// or not rebuild it at all) or always. Empty is not-online.
	When string `yaml:"when"`
	// Account is the user of an executor's sessions on servers, which nobody else may use: sessions
	// of it are killed when its work must end.
	Account string `yaml:"account"`
}

var (
	pluginForm = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$`)
	envForm    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// validatePlugins checks every plugin and the hooks that clusters name.
func (c *Config) validatePlugins(m *mistakes) {
	var clusters, names []string
	for _, l := range c.Clusters {
		clusters = append(clusters, l.Name)
	}
	for i, p := range c.Plugins {
		at := fmt.Sprintf("plugins[%d]", i)
		p.validate(m, at)
		if slices.Contains(names, p.Name) {
			m.addf(at+".name", "%s is there twice", p.Name)
		}
		names = append(names, p.Name)
		for j, name := range p.Clusters {
			oneOf(m, fmt.Sprintf("%s.clusters[%d]", at, j), name, clusters...)
		}
	}
	for i, l := range c.Clusters {
		for j, name := range l.Hooks {
			at := fmt.Sprintf("clusters[%d].hooks[%d]", i, j)
			switch n := slices.Index(names, name); {
			case n < 0:
				m.addf(at, "%q is no plugin; name one of the section plugins", name)
			case c.Plugins[n].Kind != "hook":
				m.addf(at, "%s is a plugin of kind %s, not hook", name, c.Plugins[n].Kind)
			case slices.Contains(l.Hooks[:j], name):
				m.addf(at, "%s is listed twice", name)
			case len(c.Plugins[n].Clusters) > 0 && !slices.Contains(c.Plugins[n].Clusters, l.Name):
				m.addf(at, "%s is not for this cluster; add it to the plugin's clusters", name)
			}
		}
	}
}

func (p Plugin) validate(m *mistakes, path string) {
	form(m, path+".name", p.Name, pluginForm, "a name of lower case letters, digits and dashes")
	oneOf(m, path+".kind", p.Kind, "validator", "executor", "hook", "disk")
	longest := map[string]time.Duration{"validator": 4 * time.Second, "disk": 4 * time.Second, "hook": 30 * time.Minute, "executor": 30 * 24 * time.Hour}[p.Kind]
	if p.Timeout != 0 && longest != 0 {
		between(m, path+".timeout", p.Timeout, 100*time.Millisecond, longest)
	}
	switch {
	case len(p.Command) > 0 && p.URL != "":
		m.addf(path, "has a command and a url; a plugin is one of them")
	case len(p.Command) > 0:
		m.err(path+".command", checkCommand(p.Command))
	case p.URL == "":
		m.addf(path, "has neither a command nor a url")
	}
	if p.URL != "" {
		p.validateURL(m, path)
	}
	for _, name := range sortedEnv(p.Env) {
		form(m, path+".env."+name, name, envForm, "a name of an environment variable")
	}
	p.validateExecutor(m, path)
}

func (p Plugin) validateURL(m *mistakes, path string) {
	u := webURL(m, path+".url", p.URL)
	if u != nil && plain(u) {
		m.addf(path+".url", "would be asked in plain text; use https")
	}
	if len(p.Env) > 0 {
		m.addf(path+".env", "is for a command only")
	}
}

// plain reports whether a URL leaves this machine unencrypted.
func plain(u *url.URL) bool { return u.Scheme == "http" && !loopback(u.Hostname()) }

func (p Plugin) validateExecutor(m *mistakes, path string) {
	if p.Kind != "executor" {
		for key, set := range map[string]bool{"tables": len(p.Tables) > 0, "when": p.When != "", "account": p.Account != ""} {
			if set {
				m.addf(path+"."+key, "is for an executor only")
			}
		}
		return
	}
	if p.Account == "" {
		m.addf(path+".account", "is missing; it is the user of the executor's sessions, and of nobody else")
	}
	if p.When != "" {
		oneOf(m, path+".when", p.When, "not-online", "always")
	}
	for i, t := range p.Tables {
		form(m, fmt.Sprintf("%s.tables[%d]", path, i), t, tableForm, "schema.table, with * for any text")
	}
}

// checkCommand refuses what would fail when a job needs it, and what somebody else could replace:
// the program, what its path leads to, and scripts among its arguments.
func checkCommand(command []string) error {
	path := command[0]
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%s is not there", path)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is no program; chmod +x makes a file one", path)
	}
	for _, file := range command {
		target, err := filepath.EvalSymlinks(file)
		if !filepath.IsAbs(file) || err != nil {
			continue // an argument that is no file
		}
		for _, at := range []string{target, file} {
			if err := closed(at); err != nil {
				return err
			}
		}
	}
	return nil
}

// closed refuses a file that everybody can write, itself or by a folder above it. In a sticky folder
// nobody can replace what is another's.
func closed(path string) error {
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("%s cannot be looked at", at)
		}
		sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
		if info.Mode().Perm()&0o002 != 0 && !sticky {
			return fmt.Errorf("%s can be written by everybody; chmod o-w protects it", at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

func sortedEnv(env map[string]Secret) []string {
	var names []string
	for name := range env {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
