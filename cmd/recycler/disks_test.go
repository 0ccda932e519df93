package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/configs"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/throttle"
)

// The cluster's plugins are asked first, for the host by its name and address; then counts what is
// written down.
func TestDisksOfAHost(t *testing.T) {
	t.Parallel()
	plugins := plugin.NewSet()
	plugins.Add(plugin.Spec{Name: "space", Kind: plugin.Disk, Timeout: time.Minute, Command: []string{"/bin/sh", "-c",
		`grep -q '"cluster":"shop","host":{"name":"db-1","address":"10.0.0.1","port":3307}' &&
		echo '{"contract":1,"action":"free_disk","result":"ok","data":42}'`}}, zap.NewNop(), "shop")
	ts := &targets{cluster: map[string]configs.Cluster{}}
	for _, name := range []string{"shop", "other"} {
		ts.cluster[name] = configs.Cluster{Name: name, Hosts: []configs.Host{
			{Name: "db-1", Addr: "10.0.0.1:3307", FreeDisk: 7, FreeTmp: 8},
			{Name: "db-2", Addr: "10.0.0.2:3306", FreeDisk: 7},
		}}
	}
	free := func(cluster, host string) throttle.Free {
		o := ts.disks(plugins, cluster, host)
		return throttle.Disks{Data: o.Data, Temp: o.Temp}.Ask(t.Context())
	}
	require.Equal(t, throttle.Free{Data: 42, Temp: 8}, free("shop", "db-1"))
	require.Equal(t, throttle.Free{Data: 7}, free("shop", "db-2"), "the plugin gave no answer")
	require.Equal(t, throttle.Free{}, free("shop", "db-3"))
	require.Equal(t, throttle.Free{Data: 7, Temp: 8}, free("other", "db-1"), "the plugin is for another cluster")
}
