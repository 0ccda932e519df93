package topology_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// dump reads a node's binary log over the protocol until the test ends, as change-data-capture tools
// do: without registering as a replica and without telling a UUID.
func dump(t *testing.T, n *mysqltest.Node) {
	t.Helper()
	conn, err := net.Dial("unix", n.Socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	say := func(seq byte, payload []byte) {
		size := len(payload)
		_, err := conn.Write(append([]byte{byte(size), byte(size >> 8), byte(size >> 16), seq}, payload...))
		require.NoError(t, err)
	}
	heard := func() {
		answer, err := readPacket(conn)
		require.NoError(t, err)
		require.NotEqual(t, byte(0xff), answer[0], "%q", answer)
	}
	heard()
	login := binary.LittleEndian.AppendUint32(nil, 1<<9|1<<15|1<<19) // protocol 4.1, secure connection, plugin
	login = append(binary.LittleEndian.AppendUint32(login, 1<<24), 45)
	login = append(login, make([]byte, 23)...)
	plugin := map[mysqltest.Flavor]string{mysqltest.MySQL: "caching_sha2_password"}[flavorOf(n)]
	if plugin == "" {
		plugin = "mysql_native_password"
	}
	say(1, append(append(login, "root\x00\x00"...), plugin+"\x00"...))
	heard()
	say(0, append([]byte{3}, "SET @master_binlog_checksum='CRC32', @source_binlog_checksum='CRC32'"...))
	heard()
	request := binary.LittleEndian.AppendUint32([]byte{0x12}, 4)
	request = append(request, 0, 0)
	say(0, binary.LittleEndian.AppendUint32(request, 4242))
	heard() // the first event
	go func() { _, _ = io.Copy(io.Discard, conn) }()
}

// flavorOf tells a node's flavor by its version.
func flavorOf(n *mysqltest.Node) mysqltest.Flavor {
	switch v := n.Version(); {
	case strings.HasPrefix(v, "5."):
		return mysqltest.MySQL56
	case strings.HasPrefix(v, "10.") || strings.HasPrefix(v, "11.") || strings.HasPrefix(v, "12."):
		return mysqltest.MariaDB
	}
	return mysqltest.MySQL
}

// A tool that reads the binary log of a replica is named, and makes it no intermediate: the plan
// would freeze a role that the guard, which counts replicas, never sees again.
func TestDiscoverBinlogReaders(t *testing.T) {
	t.Parallel()
	for _, o := range mysqltest.Matrix(mysqltest.MySQL, mysqltest.MariaDB, mysqltest.MySQL56) {
		t.Run(string(o.Flavor), func(t *testing.T) {
			o.Shape = "chain3"
			c := start(t, o)
			a := accessTo(t, c, c.Nodes...)
			dump(t, c.Nodes[1]) // beside a replica
			dump(t, c.Nodes[2]) // alone
			topo := walk(t, a, c.Nodes[0], topology.Options{})
			require.False(t, topo.Partial)
			require.Len(t, topo.Instances, 3)
			require.Equal(t, topology.RoleIntermediate, one(t, topo, "db-prod-2").Role)
			require.Equal(t, topology.RoleReplica, one(t, topo, "db-prod-3").Role)
			require.Len(t, topo.Warnings, 2)
			for i, name := range []string{"db-prod-2", "db-prod-3"} {
				require.Regexp(t, name+`: 1 connection\(s\) read the binary log and are not registered as a replica \(from .*localhost\); tools, which are left alone`, topo.Warnings[i])
			}
		})
	}
}

// mysqlbinlog itself, of the distribution's MariaDB.
func TestDiscoverMysqlbinlog(t *testing.T) {
	t.Parallel()
	c := start(t, mysqltest.Options{Flavor: mysqltest.MariaDB, Shape: "1+1"})
	var file string
	var size int64
	require.NoError(t, c.Nodes[1].DB().QueryRowContext(t.Context(), "SHOW BINARY LOGS").Scan(&file, &size))
	cmd := exec.CommandContext(t.Context(), "mysqlbinlog", "--no-defaults", "--read-from-remote-server", "--raw", "--stop-never",
		"--host="+c.Nodes[1].Host, fmt.Sprintf("--port=%d", c.Nodes[1].Port), "--user=repl", "--password=repl-throwaway", "--result-file="+t.TempDir()+"/", file)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // killed with the test's context
	topo := eventually(t, accessTo(t, c, c.Nodes...), c.Nodes[0], func(topo topology.Topology) bool { return len(topo.Warnings) > 0 })
	require.Equal(t, topology.RoleReplica, one(t, topo, "db-prod-2").Role)
	require.Contains(t, topo.Warnings[0], "db-prod-2: 1 connection(s) read the binary log and are not registered as a replica (from 127.0.")
}
