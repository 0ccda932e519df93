package dbconn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"8.0.46":                               "MySQL 8.0.46",
		"5.7.42-log":                           "MySQL 5.7.42",
		"5.6.24":                               "MySQL 5.6.24",
		"26.7.0":                               "MySQL 26.7.0",
		"8.0.39-30.1":                          "MySQL 8.0.39",
		"10.11.19-MariaDB-0+deb12u1":           "MariaDB 10.11.19",
		"5.5.5-10.6.21-MariaDB-1:10.6.21+mari": "MariaDB 10.6.21",
		"9.7.4-0ubuntu1":                       "MySQL 9.7.4",
	} {
		v, err := dbconn.ParseVersion(raw)
		require.NoError(t, err)
		require.Equal(t, want, v.String(), raw)
	}
	for _, raw := range []string{"", "MySQL", "8", "x.y"} {
		_, err := dbconn.ParseVersion(raw)
		require.Error(t, err, raw)
	}
}

func TestDialectByVersion(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][3]string{
		"5.7.42":           {"SHOW SLAVE HOSTS", "SHOW SLAVE STATUS", "SHOW MASTER STATUS"},
		"8.0.21":           {"SHOW SLAVE HOSTS", "SHOW SLAVE STATUS", "SHOW MASTER STATUS"},
		"8.0.22":           {"SHOW REPLICAS", "SHOW REPLICA STATUS", "SHOW MASTER STATUS"},
		"8.4.10":           {"SHOW REPLICAS", "SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS"},
		"26.7.0":           {"SHOW REPLICAS", "SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS"},
		"10.11.19-MariaDB": {"SHOW SLAVE HOSTS", "SHOW ALL SLAVES STATUS", "SHOW MASTER STATUS"},
	} {
		v, err := dbconn.ParseVersion(raw)
		require.NoError(t, err)
		d := v.Dialect()
		require.Equal(t, want, [3]string{d.ShowReplicas, d.ShowStatus, d.ShowBinlogStatus}, raw)
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	a := dbconn.Access{
		Hosts: []dbconn.Host{{Name: "db-1", Addr: dbconn.Addr{Host: "DB-1.example.", Port: 3307}}},
		Allow: []string{"db-prod-*", "*.dc1.example:3306", "10.1.*", "192.168.4.0/24", "[fd00::7]:3306", "fd01::/16"},
	}
	for s, want := range map[string]bool{
		"db-1.example:3307":         true,
		"db-1.example:3306":         false, // a configured host is one port
		"db-prod-7":                 true,
		"DB-PROD-7:3310":            true,
		"db-prod-7.evil.example":    false, // a star does not cross a dot in a name
		"db-9.dc1.example":          true,
		"db-9.dc1.example:3310":     false,
		"a.b.dc1.example":           false,
		"10.1.2.3":                  true,
		"10.11.2.3":                 false,
		"10.1.2.3.evil.example":     false,
		"192.168.4.9":               true,
		"192.168.5.9":               false,
		"[fd00::7]:3306":            true,
		"[fd00:0:0:0:0:0:0:7]:3306": true,
		"[fd00::8]:3306":            false,
		"[fd01::8]:3306":            true,
		"":                          false,
	} {
		at, err := dbconn.ParseAddr(s)
		if err != nil {
			require.False(t, want, s)
			continue
		}
		require.Equal(t, want, a.Allowed(at), s)
	}
	require.False(t, (&dbconn.Access{Allow: []string{""}}).Allowed(dbconn.Addr{Host: "x", Port: 3306}))
	require.False(t, (&dbconn.Access{Allow: []string{"*"}}).Allowed(dbconn.Addr{Host: "a.b", Port: 3306}))
}

func TestLookup(t *testing.T) {
	t.Parallel()
	a := dbconn.Access{Hosts: []dbconn.Host{
		{Name: "db-prod-1", Addr: dbconn.Addr{Host: "10.0.0.1", Port: 3306}},
		{Name: "db-prod-2", Addr: dbconn.Addr{Host: "10.0.0.2", Port: 3306}},
		{Name: "db-prod-2b", Addr: dbconn.Addr{Host: "10.0.0.2", Port: 3307}},
	}}
	for s, want := range map[string]string{
		"db-prod-1": "db-prod-1", "DB-PROD-1": "db-prod-1", "10.0.0.1": "db-prod-1", "10.0.0.1:3306": "db-prod-1",
		"10.0.0.2:3307": "db-prod-2b", "10.0.0.9": "", "db-prod": "", "": "",
	} {
		h, ok := a.Lookup(s)
		require.Equal(t, want != "", ok, s)
		require.Equal(t, want, h.Name, s)
	}
	require.Equal(t, "db-prod-2b", a.NameOf(dbconn.Addr{Host: "10.0.0.2", Port: 3307}))
	require.Equal(t, "10.0.0.3:3306", a.NameOf(dbconn.Addr{Host: "10.0.0.3", Port: 3306}))
}

func TestIdentityNeedsFacts(t *testing.T) {
	t.Parallel()
	full := dbconn.Facts{"server_id": "3", "hostname": "h", "port": "3306", "datadir": "/d/"}
	id, err := full.Identity()
	require.NoError(t, err)
	full["server_id"] = "4"
	other, err := full.Identity()
	require.NoError(t, err)
	require.NotEqual(t, id, other)
	delete(full, "datadir")
	_, err = full.Identity()
	require.Error(t, err)
	id, err = dbconn.Facts{"server_uuid": "ABC"}.Identity()
	require.NoError(t, err)
	require.Equal(t, dbconn.Identity("abc"), id)
}
