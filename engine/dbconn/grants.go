package dbconn

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Grants is what an account may do, by its own SHOW GRANTS. It never keeps the lines themselves:
// MariaDB prints the password's hash in them.
type Grants struct {
	Account string  // CURRENT_USER()
	Opaque  bool    // a role whose rights the server does not show (RDS); Has may be wrong with no
	entries []grant // in the order of the server
	revoked []grant // partial revokes
}

// grant is the privileges of one line.
type grant struct {
	schema, table string // "*" for any; schema may be a pattern
	privileges    []string
}

// ReadGrants asks for the rights of the connection's own account, active roles included.
func ReadGrants(ctx context.Context, q Querier) (Grants, error) {
	var g Grants
	if err := q.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&g.Account); err != nil {
		return Grants{}, fmt.Errorf("read our account: %w", err)
	}
	rows, err := q.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		return Grants{}, fmt.Errorf("read our rights: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return Grants{}, fmt.Errorf("read our rights: %w", err)
		}
		g.add(line)
	}
	if err := rows.Err(); err != nil {
		return Grants{}, fmt.Errorf("read our rights: %w", err)
	}
	return g, nil
}

// add reads one line. MySQL prints the effective rights with those of active roles; MariaDB prints
// a line per role, whose grantee is the role. Either way every line counts.
func (g *Grants) add(line string) {
	into, rest := &g.entries, ""
	switch {
	case strings.HasPrefix(line, "GRANT "):
		rest = line[len("GRANT "):]
	case strings.HasPrefix(line, "REVOKE "):
		into, rest = &g.revoked, line[len("REVOKE "):]
	default:
		return // SET DEFAULT ROLE
	}
	privileges, rest, ok := cutWord(rest, " ON ")
	if !ok { // GRANT role TO user
		g.Opaque = g.Opaque || strings.Contains(line, "rds_superuser_role")
		return
	}
	scope, _, ok := cutWord(rest, " TO ")
	if !ok {
		if scope, _, ok = cutWord(rest, " FROM "); !ok {
			return
		}
	}
	schema, table, ok := parseScope(scope)
	if !ok { // GRANT PROXY ON user, ON PROCEDURE
		return
	}
	*into = append(*into, grant{schema: schema, table: table, privileges: splitPrivileges(privileges)})
}

// cutWord cuts at the first separator outside of quotes.
func cutWord(s, sep string) (before, after string, ok bool) {
	var quote byte
	for n := 0; n < len(s); n++ {
		switch c := s[n]; {
		case quote != 0:
			if c == quote {
				quote = 0 // a doubled quote opens again at once
			}
		case c == '`' || c == '\'' || c == '"':
			quote = c
		case strings.HasPrefix(s[n:], sep):
			return s[:n], s[n+len(sep):], true
		}
	}
	return s, "", false
}

// splitPrivileges splits at commas outside of parentheses and leaves out rights on single columns,
// which allow nothing we do.
func splitPrivileges(s string) []string {
	var out []string
	depth, start := 0, 0
	take := func(end int) {
		if p := strings.TrimSpace(s[start:end]); p != "" && !strings.HasSuffix(p, ")") {
			out = append(out, spelling(p))
		}
		start = end + 1
	}
	for n := range len(s) {
		switch s[n] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				take(n)
			}
		}
	}
	take(len(s))
	return out
}

// parseScope reads *.*, `db`.* and `db`.`table`.
func parseScope(s string) (schema, table string, ok bool) {
	schema, rest, ok := unquote(s)
	if !ok || !strings.HasPrefix(rest, ".") {
		return "", "", false
	}
	table, rest, ok = unquote(rest[1:])
	return schema, table, ok && rest == ""
}

// unquote reads one quoted name, or a bare one up to a dot.
func unquote(s string) (name, rest string, ok bool) {
	if s == "" {
		return "", "", false
	}
	if s[0] != '`' && s[0] != '"' {
		if dot := strings.IndexByte(s, '.'); dot >= 0 {
			return s[:dot], s[dot:], !strings.ContainsAny(s[:dot], " '@")
		}
		return s, "", !strings.ContainsAny(s, " '@")
	}
	q := s[:1]
	var b strings.Builder
	for n := 1; n < len(s); n++ {
		if s[n] != q[0] {
			b.WriteByte(s[n])
			continue
		}
		if n+1 < len(s) && s[n+1] == q[0] {
			b.WriteByte(q[0])
			n++
			continue
		}
		return b.String(), s[n+1:], true
	}
	return "", "", false
}

// Has reports whether a privilege is given on a scope ("*.*", "schema.*", "schema.table") by any
// grant that covers it and not taken back by a partial revoke.
func (g Grants) Has(privilege, on string) bool {
	schema, table, _ := strings.Cut(on, ".")
	for _, e := range g.entries {
		if !e.gives(privilege) || !e.covers(schema, table) {
			continue
		}
		if e.schema == "*" && schema != "*" && slices.ContainsFunc(g.revoked, func(r grant) bool {
			return r.schema == schema && r.gives(privilege)
		}) {
			continue // a partial revoke only takes from what was granted on everything
		}
		return true
	}
	return false
}

// spelling is one form for the spellings of a privilege: MariaDB is granted READ ONLY ADMIN and
// prints READ_ONLY ADMIN.
func spelling(privilege string) string {
	return strings.ReplaceAll(strings.ToUpper(privilege), "_", " ")
}

// gives reports whether the line holds a privilege.
func (e grant) gives(privilege string) bool {
	return slices.Contains(e.privileges, spelling(privilege)) || slices.Contains(e.privileges, "ALL PRIVILEGES") || slices.Contains(e.privileges, "ALL")
}

// covers reports whether the line's scope includes another.
func (e grant) covers(schema, table string) bool {
	switch {
	case e.schema == "*":
		return true
	case schema == "*":
		return false
	case e.table == "*":
		return like(e.schema, schema)
	}
	return e.schema == schema && e.table == table // names with a table are no patterns
}

// like matches a schema pattern of GRANT: _ is any one character, % any run, \ takes the next as it is.
func like(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	switch c := pattern[0]; {
	case c == '%':
		for n := 0; n <= len(s); n++ {
			if like(pattern[1:], s[n:]) {
				return true
			}
		}
		return false
	case s == "":
		return false
	case c == '\\' && len(pattern) > 1:
		return pattern[1] == s[0] && like(pattern[2:], s[1:])
	case c == '_' || c == s[0]:
		return like(pattern[1:], s[1:])
	}
	return false
}
