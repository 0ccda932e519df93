package rebuild

import (
	"regexp"
	"strconv"

	"mysql-recycler/engine/dbconn"
)

// LosesRows reports whether an online rebuild under traffic can lose rows on a version, and why in
// one sentence. The parallel DDL code of MySQL 8.0.27 and 8.1 to 9.1 reads the clustered index
// while purge and DML change it (bugs.mysql.com #115608, #115511; told in
// percona.com/blog/who-ate-my-mysql-table-rows). Fixed in 8.0.41, 8.4.4, 9.2.0, and in Percona
// Server 8.0.39-30 and 8.4.2-2.
func LosesRows(v dbconn.Version) (bool, string) {
	if v.Flavor != dbconn.MySQL || !v.AtLeast(8, 0, 27) {
		return false, ""
	}
	fixed := v.AtLeast(9, 2, 0) ||
		v.Major == 8 && v.Minor == 0 && v.AtLeast(8, 0, 41) ||
		v.Major == 8 && v.Minor == 4 && v.AtLeast(8, 4, 4)
	if build, ok := perconaBuild(v); ok && !fixed {
		fixed = v.Major == 8 && v.Minor == 0 && (v.Patch > 39 || v.Patch == 39 && build >= 30) ||
			v.Major == 8 && v.Minor == 4 && (v.Patch > 2 || v.Patch == 2 && build >= 2)
	}
	if fixed {
		return false, ""
	}
	return true, v.String() + " can lose rows in an online rebuild while replication writes (MySQL bug 115608)"
}

// perconaPattern is the version of Percona Server: 8.0.36-28, 8.0.36-28.1, 8.4.2-2-log.
// Distributions append -0ubuntu… or -1.el9, which is not a bare number.
var perconaPattern = regexp.MustCompile(`^\d+\.\d+\.\d+-(\d+)(?:\.\d+)*(?:-log|-debug)*$`)

// perconaBuild is the number of Percona's own release, which carries fixes of its own.
func perconaBuild(v dbconn.Version) (int, bool) {
	m := perconaPattern.FindStringSubmatch(v.Raw)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}
