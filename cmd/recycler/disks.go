package main

import (
	"strconv"
	"strings"

	"mysql-recycler/configs"
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/throttle"
)

// disks are what the configuration knows of a host's free space: the cluster's hook, then the sizes
// written down for the host. A host that is not named has no hook of its own name to ask.
func (t *targets) disks(cluster, host string) throttle.Outside {
	var out throttle.Outside
	c := t.cluster[cluster]
	for _, h := range c.Hosts {
		if h.Name != host {
			continue
		}
		if d := c.Limits.DiskHook; len(d.Command) > 0 || d.URL != "" {
			hook := diskHook(d, cluster, h)
			out.Data, out.Temp = append(out.Data, hook.Data()), append(out.Temp, hook.Temp())
		}
		out.Data, out.Temp = append(out.Data, throttle.Fixed(h.FreeDisk)), append(out.Temp, throttle.Fixed(h.FreeTmp))
	}
	return out
}

// diskHook fills the holes of a hook. What fills them is checked by the configuration's forms, and
// no shell reads it.
func diskHook(d configs.DiskHook, cluster string, h configs.Host) *throttle.Hook {
	addr, err := dbconn.ParseAddr(h.Addr)
	if err != nil { // the configuration was checked
		addr.Host = h.Name
	}
	fill := strings.NewReplacer("{cluster}", cluster, "{name}", h.Name, "{host}", addr.Host, "{port}", strconv.Itoa(addr.Port))
	hook := &throttle.Hook{URL: fill.Replace(d.URL), Timeout: d.Timeout}
	for _, word := range d.Command {
		hook.Command = append(hook.Command, fill.Replace(word))
	}
	return hook
}
