package main

import (
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/engine/throttle"
)

// disks are what is known of a configured host's free space beside what its server tells: the
// cluster's plugins, then the sizes written down for the host.
func (t *targets) disks(plugins *plugin.Set, cluster, host string) throttle.Outside {
	var out throttle.Outside
	for _, h := range t.cluster[cluster].Hosts {
		if h.Name != host {
			continue
		}
		addr, err := dbconn.ParseAddr(h.Addr)
		if err != nil { // the configuration was checked
			addr.Host = h.Name
		}
		for _, name := range plugins.Of(plugin.Disk, cluster) {
			d := plugins.Get(plugin.Disk, name).AsDisks(cluster, &plugin.Host{Name: h.Name, Address: addr.Host, Port: addr.Port})
			out.Data, out.Temp = append(out.Data, d.Data), append(out.Temp, d.Temp)
		}
		out.Data, out.Temp = append(out.Data, throttle.Fixed(h.FreeDisk)), append(out.Temp, throttle.Fixed(h.FreeTmp))
	}
	return out
}
