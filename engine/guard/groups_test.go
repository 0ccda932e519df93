package guard_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/mysqltest"
	"mysql-recycler/engine/topology"
)

// freePorts are ports of 127.0.0.1 that nothing listens on now, below those that the system gives to
// whoever asks for any.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for len(ports) < n {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(10_000)))
		if err != nil {
			continue // somebody's
		}
		defer func() { require.NoError(t, l.Close()) }() // all at the end, so that no port comes twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// members are two servers that form a group between themselves, behind one access.
func members(t *testing.T, first, second *mysqltest.Cluster) *lab {
	t.Helper()
	l := &lab{Cluster: &mysqltest.Cluster{Nodes: []*mysqltest.Node{first.Nodes[0], second.Nodes[0]}},
		access: &dbconn.Access{Cluster: "prod", User: testUser, Password: func() (string, error) { return testPass, nil }}}
	for i, n := range l.Nodes {
		n.Name = fmt.Sprintf("member-%d", i+1)
		l.access.Hosts = append(l.access.Hosts, dbconn.Host{Name: n.Name, Addr: addr(t, n)})
	}
	return l
}

// refusedAsGroup walks a real group from its second member, which is called by its name and never a
// replica, and asks for permission on it under a plan that takes it for a replica.
func (l *lab) refusedAsGroup(t *testing.T, groups ...string) {
	t.Helper()
	var topo topology.Topology
	require.Eventually(t, func() bool {
		topo = l.walk(t, 1)
		i, found := topo.Find("member-2")
		return found && i.Group == groups[1] && len(topo.Instances) == 2 && !topo.Partial // its rights come one by one
	}, 60*time.Second, 200*time.Millisecond, "%s", &topo)
	for n, group := range groups {
		i, ok := topo.Find(l.Nodes[n].Name)
		require.True(t, ok)
		require.True(t, i.Reached)
		require.Equal(t, group, i.Group)
		require.Equal(t, topology.RoleGroupMember, i.Role)
		require.Contains(t, topo.Tree(), group)

		e := l.expect(t, topo, n)
		e.Role = topology.RoleReplica
		e.AllowPrimary, e.AllowPartial, e.AllowErrant = true, true, true // no policy opens a group
		_, err := guard.Default(guard.ExternalConfig{}).Permit(t.Context(), l.session(t, n), topo, e)
		var no *guard.Refused
		require.ErrorAs(t, err, &no)
		require.Contains(t, no.Verdict.Reasons(), l.Nodes[n].Name+" is a member of a group ("+group+"); groups are not rebuilt")
		require.True(t, no.Verdict.Known())
	}
}

// A real Galera cluster.
func TestGaleraIsRefused(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 6)
	library, err := mysqltest.GaleraLibrary()
	require.NoError(t, err)
	boot := func(n int, join ...string) *mysqltest.Cluster {
		return mysqltest.MustStart(t, mysqltest.Options{Flavor: mysqltest.MariaDB, ServerArgs: append([]string{
			fmt.Sprintf("--server-id=%d", n+1), "--wsrep-on=ON", "--wsrep-provider=" + library, "--wsrep-sst-method=rsync", "--innodb-autoinc-lock-mode=2",
			fmt.Sprintf("--wsrep-node-address=127.0.0.1:%d", ports[2*n]),
			fmt.Sprintf("--wsrep-sst-receive-address=127.0.0.1:%d", ports[4+n]),
			fmt.Sprintf("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=tcp://127.0.0.1:%d;gcache.size=16M", ports[2*n], ports[2*n+1]),
		}, join...)})
	}
	first := boot(0, "--wsrep-cluster-address=gcomm://")
	l := members(t, first, boot(1, fmt.Sprintf("--wsrep-cluster-address=gcomm://127.0.0.1:%d", ports[0])))
	ctx := t.Context()
	status := func(n int, name string) (value string) {
		require.NoError(t, l.Nodes[n].DB().QueryRowContext(ctx, "SHOW STATUS LIKE '"+name+"'").Scan(&name, &value))
		return value
	}
	require.Eventually(t, func() bool { return status(1, "wsrep_local_state_comment") == "Synced" }, 60*time.Second, 100*time.Millisecond)
	require.NoError(t, first.CreateRecycler(ctx, testUser, testPass)) // reaches the second member by Galera alone
	l.refusedAsGroup(t, "galera", "galera")

	// One that left its cluster is still none of ours, whatever it replicates from.
	require.NoError(t, l.Nodes[1].Exec(ctx, "SET GLOBAL wsrep_cluster_address='gcomm://'; SET GLOBAL wsrep_on=OFF"))
	srv := l.open(t, 1)
	i, err := topology.Probe(ctx, srv, srv)
	require.NoError(t, err)
	require.Equal(t, "galera", i.Group)
	require.Equal(t, topology.RoleGroupMember, i.Role)
}

// A real group of MySQL Group Replication, in single-primary mode.
func TestGroupReplicationIsRefused(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 2)
	boot := func(n int) *mysqltest.Cluster {
		return mysqltest.MustStart(t, mysqltest.Options{Flavor: mysqltest.MySQL, ServerArgs: []string{
			fmt.Sprintf("--server-id=%d", n+1), "--plugin-load-add=group_replication.so", "--loose-group-replication-start-on-boot=OFF",
			"--loose-group-replication-group-name=5ec4e7a2-52a6-4d8e-8c1d-3f2a77b0c001", "--loose-group-replication-ip-allowlist=127.0.0.0/8",
			fmt.Sprintf("--loose-group-replication-local-address=127.0.0.1:%d", ports[n]),
			fmt.Sprintf("--loose-group-replication-group-seeds=127.0.0.1:%d,127.0.0.1:%d", ports[0], ports[1]),
		}})
	}
	l := members(t, boot(0), boot(1))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, l.Nodes[0].CreateUser(ctx, "joiner", "joiner-throwaway", "REPLICATION SLAVE, GROUP_REPLICATION_STREAM, CONNECTION_ADMIN ON *.*"))
	const recovery = "CHANGE REPLICATION SOURCE TO SOURCE_USER='joiner', SOURCE_PASSWORD='joiner-throwaway' FOR CHANNEL 'group_replication_recovery';" +
		" SET GLOBAL group_replication_recovery_get_public_key=ON;"
	require.NoError(t, l.Nodes[0].Exec(ctx, recovery+" SET GLOBAL group_replication_bootstrap_group=ON; START GROUP_REPLICATION; SET GLOBAL group_replication_bootstrap_group=OFF"))
	require.NoError(t, l.Nodes[1].Exec(ctx, recovery+" START GROUP_REPLICATION"))
	require.NoError(t, l.Nodes[0].CreateUser(ctx, testUser, testPass, mysqltest.MinimalGrants(mysqltest.MySQL, l.Nodes[0].Version())...))
	require.Eventually(t, func() bool { // the account comes through the group
		srv, err := l.access.Open(ctx, addr(t, l.Nodes[1]))
		return err == nil && srv.Close() == nil
	}, 60*time.Second, 200*time.Millisecond)
	l.refusedAsGroup(t, "group_replication primary online", "group_replication secondary online")
}
