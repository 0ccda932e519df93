package topology_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// sample has one of everything a reader must be able to see.
func sample() topology.Topology {
	version, _ := dbconn.ParseVersion("9.7.4")
	server := func(name string, role topology.Role, source string) topology.Instance {
		i := topology.Instance{Name: name, Addr: dbconn.Addr{Host: name, Port: 3306}, Identity: dbconn.Identity("id-" + name),
			Version: version, Role: role, Reached: true, State: topology.State{ReadOnly: role != topology.RolePrimary}}
		if source != "" {
			i.Links = []topology.Link{{Source: dbconn.Addr{Host: source, Port: 3306}, SourceIdentity: dbconn.Identity("id-" + source),
				SourceLogFile: "b", IORunning: "Yes", SQLRunning: "Yes", Lag: &topology.Lag{Seconds: 2, From: topology.FromStatus}}}
		}
		return i
	}
	t := topology.Topology{Cluster: "orders", Partial: true, At: time.Date(2026, 3, 1, 14, 2, 0, 0, time.UTC)}
	primary := server("db-prod-1", topology.RolePrimary, "")
	middle := server("db-prod-3", topology.RoleIntermediate, "db-prod-1")
	broken := server("db-prod-4", topology.RoleReplica, "db-prod-3")
	broken.Links[0].SQLRunning, broken.Links[0].LastError, broken.Links[0].Lag = "No", "Error 'x'", nil
	delayed := server(`db-"dr"-with-a-very-long-name.eu-central-1.example`, topology.RoleReplica, "db-prod-1")
	delayed.Links[0].Delay = time.Hour
	dead := topology.Instance{Name: "db-prod-5", Addr: dbconn.Addr{Host: "db-prod-5", Port: 3306}, Identity: "id-db-prod-5",
		Role: topology.RoleUnknown, Unreached: "does not answer in time"}
	primary.Replicas = []topology.Downstream{{Identity: dead.Identity}}
	t.Instances = []topology.Instance{primary, server("db-prod-2", topology.RoleReplica, "db-prod-1"), middle, broken, dead, delayed}
	return t
}

func TestTree(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.TrimPrefix(`
db-prod-1                                              primary       MySQL 9.7.4  read_only=0
├─ db-prod-2                                           replica       MySQL 9.7.4  read_only=1  lag 2 s
├─ db-prod-3                                           intermediate  MySQL 9.7.4  read_only=1  lag 2 s
│  └─ db-prod-4                                        replica       MySQL 9.7.4  read_only=1  BROKEN (io Yes, sql No)
├─ db-"dr"-with-a-very-long-name.eu-central-1.example  replica       MySQL 9.7.4  read_only=1  lag 2 s (delayed by 3600 s)
└─ db-prod-5                                           unknown                    not reached: does not answer in time
`, "\n"), sample().Tree())
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b, err := sample().JSON()
	require.NoError(t, err)
	var back topology.Topology
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, sample(), back, "what is stored is what was seen")
}

func TestDOT(t *testing.T) {
	t.Parallel()
	dot := sample().DOT()
	require.Equal(t, 6, strings.Count(dot, "shape="))
	require.Equal(t, 5, strings.Count(dot, " -> "))
	require.Contains(t, dot, `digraph "orders" {`)
	require.Contains(t, dot, `label="db-prod-1\nprimary\nMySQL 9.7.4\nread_only=0", shape=doubleoctagon`)
	require.Contains(t, dot, `[label="BROKEN (io Yes, sql No)", style=dashed]`)
	require.Contains(t, dot, `db-\"dr\"-with`)
}

func TestPictureAndAltText(t *testing.T) {
	t.Parallel()
	b, err := sample().PNG()
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, 1080, img.Bounds().Dx(), "the width of a phone's screen")
	require.Less(t, len(b), 300_000)
	if dir := os.Getenv("TOPOLOGY_PICTURE_DIR"); dir != "" { // for eyes
		require.NoError(t, os.WriteFile(filepath.Join(dir, "topology.png"), b, 0o600))
	}
	again, err := sample().PNG()
	require.NoError(t, err)
	require.Equal(t, b, again)

	alt := sample().AltText()
	require.Contains(t, alt, "Cluster orders: 6 servers.")
	require.Contains(t, alt, "db-prod-4 is replica of db-prod-3, BROKEN (io Yes, sql No).")
	require.Contains(t, alt, "db-prod-5 was not reached: does not answer in time.")

	big := sample()
	for range 200 {
		big.Instances = append(big.Instances, big.Instances[1])
	}
	require.LessOrEqual(t, len(big.AltText()), 2000)
	require.Contains(t, big.AltText(), "BROKEN", "trouble is said first")
	b, err = big.PNG()
	require.NoError(t, err)
	img, err = png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Less(t, img.Bounds().Dy(), 10_000)
	_, err = topology.Topology{}.PNG()
	require.NoError(t, err)
}
