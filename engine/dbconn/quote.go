package dbconn

import "strings"

// QuoteName quotes the parts of a name for a statement: QuoteName("a", "b") is `a`.`b`, with
// backticks inside doubled. It is the only way an identifier enters a statement.
func QuoteName(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = "`" + strings.ReplaceAll(p, "`", "``") + "`"
	}
	return strings.Join(quoted, ".")
}
