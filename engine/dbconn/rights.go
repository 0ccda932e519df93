package dbconn

import (
	"slices"
	"strings"
)

// Right is one thing the account must be allowed to do.
type Right struct {
	AnyOf []string // privileges of which one is enough; the first is the least and what we ask for
	On    string   // "*.*", "schema.*" or "schema.table"
	Why   string   // what it is for, to stand behind "needed to"
}

// String is the right as a person names it: "SELECT on performance_schema".
func (r Right) String() string {
	if r.On == "" || r.On == "*.*" {
		return r.AnyOf[0]
	}
	return r.AnyOf[0] + " on " + strings.TrimSuffix(r.On, ".*")
}

// Need says which operations rights are asked for.
type Need struct {
	Discover      bool     // read the topology
	Rebuild       bool     // rebuild tables with the binary log off, watch and kill
	Schemas       []string // whose tables are rebuilt; none: all
	SuperReadOnly bool     // some server has super_read_only on, which has to be lifted
	StopSQL       bool     // the strategy that stops the applier during a rebuild
}

// Rights is the exact list for a version. It was found by granting one privilege at a time on 5.7,
// 8.0, 8.4, 9.7 and MariaDB 10.11; the manuals ask for more in some places and for less in others.
func Rights(v Version, n Need) []Right {
	var out []Right
	global := func(why string, anyOf ...string) { out = append(out, Right{AnyOf: anyOf, On: "*.*", Why: why}) }
	maria, dynamic := v.Flavor == MariaDB, v.Flavor == MySQL && v.AtLeast(8, 0, 0)
	pick := func(why string, my5, my8, ma []string) {
		switch {
		case maria:
			global(why, ma...)
		case dynamic:
			global(why, my8...)
		default:
			global(why, my5...)
		}
	}
	one := func(p ...string) []string { return p }
	if n.Discover || n.Rebuild {
		pick("list the replicas of a server", one("REPLICATION SLAVE"), one("REPLICATION SLAVE"), one("REPLICATION MASTER ADMIN"))
		pick("read the replication status", one("REPLICATION CLIENT", "SUPER"), one("REPLICATION CLIENT", "SUPER"), one("SLAVE MONITOR", "SUPER"))
		if maria {
			global("read the binary log position", "BINLOG MONITOR", "SUPER")
		}
		global("find replicas that report no host, and to find our own statement again", "PROCESS")
		if v.Dialect().DumpThreadUUID {
			out = append(out, Right{AnyOf: one("SELECT"), On: "performance_schema.*", Why: "know replicas by their UUID and read the lag"})
		}
	}
	if !n.Rebuild {
		return out
	}
	pick("keep a rebuild out of the binary log", one("SUPER"), one("SESSION_VARIABLES_ADMIN", "SYSTEM_VARIABLES_ADMIN", "SUPER"), one("BINLOG ADMIN", "SUPER"))
	readOnly := one("READ ONLY ADMIN")
	if !v.AtLeast(10, 11, 0) { // split off from SUPER there
		readOnly = one("READ ONLY ADMIN", "SUPER")
	}
	pick("rebuild on a server that is read_only", one("SUPER"), one("CONNECTION_ADMIN", "SUPER"), readOnly)
	if n.SuperReadOnly && !maria {
		pick("lift super_read_only for a rebuild and put it back", one("SUPER"), one("SYSTEM_VARIABLES_ADMIN", "SUPER"), nil)
	}
	if n.StopSQL {
		pick("stop the applier during a rebuild", one("SUPER"), one("REPLICATION_SLAVE_ADMIN", "SUPER"), one("REPLICATION SLAVE ADMIN", "SUPER"))
	}
	return append(out, tableRights(n)...)
}

// ExecutorRights are what the account needs beside its own where an executor rebuilds tables: it
// looks for triggers, and ends the executor's sessions.
func ExecutorRights(v Version, schema string) []Right {
	on := "*.*"
	if schema != "" {
		on = schema + ".*"
	}
	end := Right{AnyOf: []string{"SUPER"}, On: "*.*", Why: "end the sessions of an executor"}
	switch {
	case v.Flavor == MariaDB && v.AtLeast(10, 5, 2):
		end.AnyOf = []string{"CONNECTION ADMIN", "SUPER"}
	case v.Flavor == MySQL && v.AtLeast(8, 0, 0):
		end.AnyOf = []string{"CONNECTION_ADMIN", "SUPER"}
	}
	return []Right{end, {AnyOf: []string{"TRIGGER"}, On: on, Why: "see what an executor left"}}
}

// tableRights are the rights on the tables themselves and on the server's statistics of them.
func tableRights(n Need) []Right {
	var out []Right
	schemas := n.Schemas
	if len(schemas) == 0 {
		schemas = []string{""}
	}
	for _, s := range schemas {
		on := "*.*"
		if s != "" {
			on = s + ".*"
		}
		out = append(out,
			Right{AnyOf: []string{"ALTER"}, On: on, Why: "rebuild tables"},
			Right{AnyOf: []string{"SELECT"}, On: on, Why: "see tables and sample their rows for the prediction"})
	}
	if len(n.Schemas) > 0 {
		for _, table := range []string{"innodb_index_stats", "innodb_table_stats"} {
			out = append(out, Right{AnyOf: []string{"SELECT"}, On: "mysql." + table, Why: "read the statistics for the prediction"})
		}
	}
	return out
}

// Missing are the rights that the grants do not give.
func (g Grants) Missing(need []Right) []Right {
	var out []Right
	for _, r := range need {
		if !slices.ContainsFunc(r.AnyOf, func(p string) bool { return g.Has(p, r.On) }) {
			out = append(out, r)
		}
	}
	return out
}

// GrantSQL are the statements that give rights to an account (as CURRENT_USER() prints it), one per
// scope, for a person to look at and run.
func GrantSQL(account string, rights []Right) []string {
	var scopes []string
	byScope := map[string][]string{}
	for _, r := range rights {
		if _, ok := byScope[r.On]; !ok {
			scopes = append(scopes, r.On)
		}
		if !slices.Contains(byScope[r.On], r.AnyOf[0]) {
			byScope[r.On] = append(byScope[r.On], r.AnyOf[0])
		}
	}
	var out []string
	for _, on := range scopes {
		out = append(out, "GRANT "+strings.Join(byScope[on], ", ")+" ON "+quoteScope(on)+" TO "+quoteAccount(account))
	}
	return out
}

// quoteScope writes a scope; the underscore in a schema's name is a wildcard in GRANT and is
// escaped, but only there: a name with a table is taken as it is.
func quoteScope(on string) string {
	schema, table, _ := strings.Cut(on, ".")
	if schema == "*" {
		return "*.*"
	}
	if table == "*" {
		escaped := strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(schema)
		return QuoteName(escaped) + ".*"
	}
	return QuoteName(schema, table)
}

// quoteAccount writes user@host; the user's name may hold an @, the host's cannot.
func quoteAccount(account string) string {
	at := strings.LastIndexByte(account, '@')
	if at < 0 {
		return QuoteName(account)
	}
	return QuoteName(account[:at]) + "@" + QuoteName(account[at+1:])
}
