package dbconn

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Flavor is the family a server belongs to, told by the text "MariaDB" in @@version.
// A major version is never used for it: MySQL 26.7 follows 9.7.
type Flavor string

// The flavors the dialect knows.
const (
	MySQL   Flavor = "mysql"
	MariaDB Flavor = "mariadb"

	// MaxScale is a binlog server: it relays a binary log, answers a few statements and holds no data.
	MaxScale Flavor = "maxscale"
)

// Version is what a server says of itself in @@version.
type Version struct {
	Flavor Flavor `json:"flavor"`
	Major  int    `json:"major"`
	Minor  int    `json:"minor"`
	Patch  int    `json:"patch"`
	Raw    string `json:"raw"`
}

// ParseVersion reads "8.0.46", "5.7.42-log", "10.11.19-MariaDB-0+deb12u1" and the greeting form
// "5.5.5-10.11.19-MariaDB", in which old clients are told they speak to a 5.5.
func ParseVersion(raw string) (Version, error) {
	v := Version{Flavor: MySQL, Raw: raw}
	text := raw
	if strings.Contains(strings.ToLower(raw), "mariadb") {
		v.Flavor = MariaDB
		text = strings.TrimPrefix(text, "5.5.5-")
	}
	if strings.Contains(strings.ToLower(raw), "maxscale") {
		v.Flavor = MaxScale
	}
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		text = text[:end]
	}
	parts := strings.Split(text, ".")
	if len(parts) < 2 {
		return Version{}, fmt.Errorf("read server version %q: want major.minor.patch", raw)
	}
	for i, into := range []*int{&v.Major, &v.Minor, &v.Patch} {
		if i >= len(parts) || parts[i] == "" {
			break
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return Version{}, fmt.Errorf("read server version %q: %w", raw, err)
		}
		*into = n
	}
	return v, nil
}

// String is the short form for people: "MySQL 9.7.4", "MariaDB 10.11.19".
func (v Version) String() string {
	if v.Raw == "" && v.Major == 0 {
		return "unknown version"
	}
	name := map[Flavor]string{MariaDB: "MariaDB", MaxScale: "MaxScale"}[v.Flavor]
	return fmt.Sprintf("%s %d.%d.%d", cmp.Or(name, "MySQL"), v.Major, v.Minor, v.Patch)
}

// AtLeast reports whether the version is major.minor.patch or newer. It compares numbers only;
// ask for the flavor first.
func (v Version) AtLeast(major, minor, patch int) bool {
	if v.Major != major {
		return v.Major > major
	}
	if v.Minor != minor {
		return v.Minor > minor
	}
	return v.Patch >= patch
}
