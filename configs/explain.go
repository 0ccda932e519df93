package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// origins is where the values of a configuration come from.
type origins struct {
	file      map[string]any    // what the file says
	variables map[string]string // key to the variable that overrides it
}

// Explain is Load that also tells where each value comes from.
func Explain(path string, env []string, opts ...Option) (Config, []Setting, error) {
	cfg, from, err := load(path, env, opts...)
	if err != nil {
		return Config{}, nil, err
	}
	all := cfg.Settings()
	by := map[string]Setting{}
	for _, s := range all {
		by[s.at] = s
	}
	for i := range all {
		all[i].From = from.of(all[i], by)
	}
	return cfg, all, nil
}

// member is a key of a cluster that has a section to inherit from.
var member = regexp.MustCompile(`^clusters\[\d+\]\.(mysql|approvers)\.(.+)$`)

// of says where one value comes from.
func (o origins) of(s Setting, by map[string]Setting) string {
	if name, ok := o.variables[s.at]; ok {
		return name
	}
	if o.says(s.at) {
		return "file"
	}
	if f, ok := by[s.at+"_file"]; ok && s.secret.Set() && !empty(f.Value) {
		return s.Path[strings.LastIndexByte(s.Path, '.')+1:] + "_file"
	}
	if m := member.FindStringSubmatch(s.at); m != nil && !empty(s.Value) {
		up := m[1] + "." + m[2]
		if m[1] == "approvers" {
			up = "approvals." + up
		}
		if same := by[up]; same.Text() == s.Text() {
			return up
		}
	}
	return "default"
}

// says reports whether the file says something at a path.
func (o origins) says(at string) bool {
	var here any = o.file
	for _, part := range strings.FieldsFunc(at, func(r rune) bool { return r == '.' || r == '[' }) {
		switch section := here.(type) {
		case map[string]any:
			here = section[part]
		case []any:
			n, err := strconv.Atoi(strings.TrimSuffix(part, "]"))
			if err != nil || n >= len(section) {
				return false
			}
			here = section[n]
		default:
			return false
		}
	}
	return here != nil
}

// empty reports whether a value says nothing.
func empty(v any) bool {
	r := reflect.ValueOf(v)
	return v == nil || r.IsZero() || (r.Kind() == reflect.Slice || r.Kind() == reflect.Map) && r.Len() == 0
}

// YAML writes the configuration as the file would, each value with where it comes from behind it.
func YAML(cfg Config, all []Setting) ([]byte, error) {
	by := map[string]Setting{}
	for _, s := range all {
		by[s.at] = s
	}
	var n yaml.Node
	if err := n.Encode(cfg); err != nil {
		return nil, err
	}
	annotate(&n, "", by)
	return yaml.Marshal(&n)
}

// annotate puts the comments behind the values, and lengths of time as people write them.
func annotate(n *yaml.Node, at string, by map[string]Setting) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			here := join(at, key.Value)
			s, leaf := by[here]
			if !leaf {
				annotate(value, here, by)
				continue
			}
			if value.Kind == yaml.ScalarNode {
				if text, ok := s.Value.(string); ok {
					value.Value = text
				}
				value.LineComment = s.From
				continue
			}
			value.Style = yaml.FlowStyle
			value.LineComment = s.From
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			annotate(item, at+"["+strconv.Itoa(i)+"]", by)
		}
	}
}

// Files are the files a configuration was made of and depends on: itself, secrets, certificates.
// They may be gone by the time somebody looks.
func (c *Config) Files(path string) []string {
	out := []string{path}
	for _, p := range c.paths() {
		if *p != "" {
			out = append(out, *p)
		}
	}
	return out
}

// Fingerprint is a digest of the contents of all those files: an equal one means that nothing
// changed. It covers secrets and is for this process alone.
func (c *Config) Fingerprint(path string) [sha256.Size]byte {
	h := sha256.New()
	for _, f := range c.Files(path) {
		text, err := os.ReadFile(f)
		_, _ = fmt.Fprintf(h, "%s %d %v\n", f, len(text), err != nil)
		_, _ = h.Write(text) // never fails
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Hash names the configuration, without its secrets: processes with the same one have the same.
func (c *Config) Hash() string {
	h := sha256.New()
	for _, s := range c.Settings() {
		_, _ = fmt.Fprintln(h, s.Path, s.Text())
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
