package configs

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// live is the value of the tag reload of fields that a running process takes from a reloaded
// configuration. Every other one counts from the start on and says so: a new field that forgets the
// tag promises nothing.
const live = "live"

// Setting is one key of the effective configuration.
type Setting struct {
	// Path names clusters and hosts by their name: clusters[db-prod].limits.max_lag.
	Path string `json:"path"`
	// Value is a text, number, boolean, list or map as the file would say it; a secret is <secret>.
	Value any `json:"value"`
	// From says where the value comes from: default, file, the variable of the environment, flag, or
	// the key of the section it is inherited from. Empty where nobody asked.
	From string `json:"from,omitempty"`
	// Restart says that a change counts only after a restart.
	Restart bool `json:"restart,omitempty"`

	at     string // the path as the file has it: clusters[0].limits.max_lag
	secret Secret
}

// Text is the value as one line.
func (s Setting) Text() string {
	if text, ok := s.Value.(string); ok {
		return text
	}
	b, err := json.Marshal(s.Value)
	if err != nil {
		return fmt.Sprint(s.Value)
	}
	return string(b)
}

// Settings lists every key with its effective value, in the order of the sections.
func (c *Config) Settings() []Setting {
	var out []Setting
	settings(&out, Setting{Restart: true}, reflect.ValueOf(*c))
	return out
}

// settings walks a section; at says where it is and whether a change there needs a restart.
func settings(out *[]Setting, at Setting, v reflect.Value) {
	for i, key := range keysOf(v.Type()) {
		s := Setting{Path: join(at.Path, key), at: join(at.at, key), Restart: at.Restart && v.Type().Field(i).Tag.Get("reload") != live}
		field := v.Field(i)
		switch {
		case field.Kind() == reflect.Struct && field.Type() != secretType:
			settings(out, s, field)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			for j := range field.Len() {
				item := s
				item.Path, item.at = fmt.Sprintf("%s[%s]", s.Path, nameOf(field.Index(j), j)), fmt.Sprintf("%s[%d]", s.at, j)
				settings(out, item, field.Index(j))
			}
		default:
			s.set(field)
			*out = append(*out, s)
		}
	}
}

// nameOf is what an item of a list is known by: its name, else its number.
func nameOf(v reflect.Value, n int) string {
	if name := v.FieldByName("Name"); name.IsValid() && name.Kind() == reflect.String && name.String() != "" {
		return name.String()
	}
	return fmt.Sprint(n)
}

// set takes a field's value as the file would write it.
func (s *Setting) set(v reflect.Value) {
	switch x := v.Interface().(type) {
	case Secret:
		s.Value, s.secret = x.String(), x
	case time.Duration:
		s.Value = shortDuration(x)
	case Size:
		s.Value = x.String()
	case []string:
		s.Value = slices.Concat([]string{}, x) // empty, not null
	case map[string]Secret:
		masks, all := map[string]string{}, ""
		for _, key := range slices.Sorted(maps.Keys(x)) {
			masks[key] = x[key].String()
			all += key + "=" + x[key].Reveal() + "\x00"
		}
		s.Value, s.secret = masks, NewSecret(all)
	case map[string]string:
		if s.Value = x; x == nil {
			s.Value = map[string]string{}
		}
	default:
		s.Value = x
	}
}

// shortDuration writes a length of time without the units that are zero: 4h, not 4h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Change is one key that differs between two configurations, or a cluster or host that only one has.
type Change struct {
	Path    string `json:"path"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Restart bool   `json:"restart,omitempty"` // it counts after a restart
}

// What a Change says of a cluster or a host as a whole.
const (
	absent  = "absent"
	present = "present"
)

// String is the change as one line. That a secret differs is told, what it is is not.
func (c Change) String() string {
	old, now := c.Old, c.New
	switch {
	case old == absent:
		return c.Path + ": added"
	case now == absent:
		return c.Path + ": removed"
	case old == now:
		return c.Path + ": another " + now
	}
	for _, side := range []*string{&old, &now} {
		if *side == "" {
			*side = `""`
		}
	}
	return c.Path + ": " + old + " → " + now
}

// Diff lists what differs, in the order of the new configuration, and last what is gone. Secrets
// that one side only knows as <secret> are taken for the same.
func Diff(old, now []Setting) []Change {
	before, after := indexOf(old), indexOf(now)
	var out []Change
	told := map[string]bool{}
	for _, s := range now {
		o, was := before.by[s.Path]
		switch {
		case was && (o.Text() != s.Text() || o.secret.Set() && s.secret.Set() && o.secret.Reveal() != s.secret.Reveal()):
			out = append(out, Change{Path: s.Path, Old: o.Text(), New: s.Text(), Restart: s.Restart})
		case !was && !told[before.lacks(s.Path)]:
			told[before.lacks(s.Path)] = true
			out = append(out, Change{Path: before.lacks(s.Path), Old: absent, New: present, Restart: s.Restart})
		}
	}
	for _, s := range old {
		if _, is := after.by[s.Path]; !is && !told[after.lacks(s.Path)] {
			told[after.lacks(s.Path)] = true
			out = append(out, Change{Path: after.lacks(s.Path), Old: present, New: absent, Restart: s.Restart})
		}
	}
	return out
}

// index finds settings, and the clusters and hosts they are of.
type index struct {
	by    map[string]Setting
	items map[string]bool // clusters[db-prod]
}

func indexOf(all []Setting) index {
	x := index{by: map[string]Setting{}, items: map[string]bool{}}
	for _, s := range all {
		x.by[s.Path] = s
		for _, item := range itemsOf(s.Path) {
			x.items[item] = true
		}
	}
	return x
}

// lacks is the outermost item of a path that is not here, or the path itself.
func (x index) lacks(path string) string {
	for _, item := range itemsOf(path) {
		if !x.items[item] {
			return item
		}
	}
	return path
}

// itemsOf are the items of lists that a path leads through, the outermost first. A name can hold
// anything but the "]." that ends it.
func itemsOf(path string) (out []string) {
	for at := 0; ; {
		end := strings.Index(path[at:], "].")
		if end < 0 {
			return out
		}
		at += end + 1
		out = append(out, path[:at])
	}
}

// Keep returns next with what counts only from the start on as started has it: the configuration
// that is in force after a reload.
func Keep(started, next Config) Config {
	keep(reflect.ValueOf(&started).Elem(), reflect.ValueOf(&next).Elem())
	return next
}

func keep(started, next reflect.Value) {
	for i := range next.NumField() {
		field := next.Type().Field(i)
		switch {
		case field.Tag.Get("reload") == live:
		case field.Type.Kind() == reflect.Struct && field.Type != secretType:
			keep(started.Field(i), next.Field(i))
		default:
			next.Field(i).Set(started.Field(i))
		}
	}
}
