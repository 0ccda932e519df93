package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/configs"
	"mysql-recycler/engine/throttle"
)

// The hook is asked first, with the host's own names in it; then counts what is written down.
func TestDisksOfAHost(t *testing.T) {
	t.Parallel()
	limits := configs.Limits{DiskHook: configs.DiskHook{Timeout: time.Minute,
		Command: []string{"sh", "-c", `[ "$0" = db-1/shop/10.0.0.1:3307 ] && echo '{"data": 42}'`, "{name}/{cluster}/{host}:{port}"}}}
	ts := &targets{cluster: map[string]configs.Cluster{"shop": {Name: "shop", Limits: limits, Hosts: []configs.Host{
		{Name: "db-1", Addr: "10.0.0.1:3307", FreeDisk: 7, FreeTmp: 8},
		{Name: "db-2", Addr: "10.0.0.2:3306", FreeDisk: 7},
	}}}}
	free := func(host string) throttle.Free {
		o := ts.disks("shop", host)
		return throttle.Disks{Data: o.Data, Temp: o.Temp}.Ask(t.Context())
	}
	require.Equal(t, throttle.Free{Data: 42, Temp: 8}, free("db-1"))
	require.Equal(t, throttle.Free{Data: 7}, free("db-2"), "the hook failed")
	require.Equal(t, throttle.Free{}, free("db-3"))
}
