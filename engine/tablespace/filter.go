package tablespace

import (
	"slices"
	"strings"
)

// Filter selects tables. Patterns are globs (* and ?); empty means all. System schemas are never selected.
type Filter struct {
	Schemas  []string `json:"schemas,omitempty"`
	Tables   []string `json:"tables,omitempty"` // schema.table or table
	MinBytes int64    `json:"min_bytes,omitempty"`
}

// systemSchemas belong to the server; nothing in them is ever inventoried or rebuilt.
var systemSchemas = []string{"mysql", "sys", "performance_schema", "information_schema", "ndbinfo"}

// SystemSchema reports whether a schema belongs to the server.
func SystemSchema(name string) bool { return slices.Contains(systemSchemas, strings.ToLower(name)) }

// Match reports whether the filter selects a table by name; MinBytes is not looked at.
func (f Filter) Match(schema, table string) bool {
	if SystemSchema(schema) {
		return false
	}
	if len(f.Schemas) > 0 && !slices.ContainsFunc(f.Schemas, func(p string) bool { return glob(p, schema) }) {
		return false
	}
	return len(f.Tables) == 0 || slices.ContainsFunc(f.Tables, func(p string) bool {
		// A dot may be part of a name, so both readings of a pattern count.
		return glob(p, schema+"."+table) || glob(p, table)
	})
}

// literalSchemas returns the schemas when none is a pattern, so that the server can do the
// selecting; MariaDB opens every table it lists.
func (f Filter) literalSchemas() []string {
	if slices.ContainsFunc(f.Schemas, func(p string) bool { return strings.ContainsAny(p, "*?") }) {
		return nil
	}
	return f.Schemas
}

// glob matches * (any run of characters) and ? (one character); everything else is itself.
// path.Match would give a meaning to brackets and backslashes, which are legal in names.
func glob(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, mark, i, j := -1, 0, 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
