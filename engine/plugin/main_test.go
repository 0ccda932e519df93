package plugin_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/topology"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("mysql-recycler/engine/mysqltest.(*process).wait"))
}

// command is the plugin of the tests, which behaves as its arguments say.
func command(t *testing.T, behaviour ...string) []string {
	t.Helper()
	script, err := filepath.Abs("testdata/plugin.sh")
	require.NoError(t, err)
	return append([]string{"/bin/sh", script}, behaviour...)
}

// logged is a log that can be read.
func logged() (*zap.Logger, *observer.ObservedLogs) {
	core, seen := observer.New(zapcore.DebugLevel)
	return zap.New(core), seen
}

func validator(t *testing.T, behaviour ...string) *plugin.Plugin {
	t.Helper()
	return plugin.New(plugin.Spec{Name: "v", Kind: plugin.Validator, Command: command(t, behaviour...)}, zap.NewNop())
}

// replica is a server of a cluster that the guard's own checks would let through.
func replica() (topology.Instance, topology.Topology) {
	in := topology.Instance{Name: "db-3", Addr: dbconn.Addr{Host: "10.0.0.3", Port: 3306}, Identity: "id-3", Role: topology.RoleReplica, Reached: true}
	return in, topology.Topology{Cluster: "prod", Instances: []topology.Instance{{Name: "db-1", Role: topology.RolePrimary}, in}}
}
