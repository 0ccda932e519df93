package mysqltest

import (
	"context"
	"fmt"
	"strings"
)

// MinimalGrants are the privileges our own account needs, and no more, in the
// form CreateUser takes. They were found by granting one after the other on each
// server.
func MinimalGrants(flavor Flavor, version string) []string {
	switch {
	case flavor == MariaDB:
		return []string{"PROCESS, BINLOG MONITOR, SLAVE MONITOR, REPLICATION MASTER ADMIN, REPLICATION SLAVE ADMIN, " +
			"BINLOG ADMIN, READ ONLY ADMIN, SELECT, ALTER ON *.*"}
	case versionAtLeast(version, 8, 0, 0):
		return []string{
			"PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, SELECT, ALTER ON *.*",
			"SESSION_VARIABLES_ADMIN, CONNECTION_ADMIN, SYSTEM_VARIABLES_ADMIN, REPLICATION_SLAVE_ADMIN ON *.*",
		}
	default:
		return []string{
			"SUPER, PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, SELECT, ALTER ON *.*",
		}
	}
}

// CreateUser makes user@'%' with the password and the grants, each in the form
// "PROCESS, SELECT ON *.*". On a primary it replicates; WaitReplicated tells
// when all nodes have it.
func (n *Node) CreateUser(ctx context.Context, user, pass string, grants ...string) error {
	account := quote(user) + "@'%'"
	if _, err := n.DB().ExecContext(ctx, "CREATE USER "+account+" IDENTIFIED BY "+quote(pass)); err != nil {
		return fmt.Errorf("%s: create user %s: %w", n.Name, user, err)
	}
	for _, g := range grants {
		if _, err := n.DB().ExecContext(ctx, "GRANT "+g+" TO "+account); err != nil {
			return fmt.Errorf("%s: grant %s to %s: %w", n.Name, g, user, err)
		}
	}
	return nil
}

// CreateRecycler is CreateUser on the primary with MinimalGrants, and waits
// until all replicas have the account.
func (c *Cluster) CreateRecycler(ctx context.Context, user, pass string) error {
	if err := c.root(c.Nodes[0]).CreateUser(ctx, user, pass, MinimalGrants(c.Flavor, c.Version)...); err != nil {
		return err
	}
	return c.WaitReplicated(ctx)
}

// quote writes a string literal that is the same in every sql_mode but
// NO_BACKSLASH_ESCAPES, which nobody sets here.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// quoteName writes an identifier.
func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
