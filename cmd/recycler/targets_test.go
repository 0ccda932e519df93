package main

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/configs"
	"mysql-recycler/engine"
)

// A name outside the configuration is refused with the nearest that is inside, and nobody is asked
// what it resolves to.
func TestUnknownNamesAreRefusedUnresolved(t *testing.T) { // alone: it takes the resolver away
	was := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = was })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("a name was resolved")
		return nil, errors.New("no resolver")
	}}
	targets, err := newTargets(configs.Config{Clusters: []configs.Cluster{
		{Name: "db-prod", Allow: []string{"db-prod-*"}, Hosts: []configs.Host{
			{Name: "db-prod-1", Addr: "db-1.example.test:3307"}, {Name: "db-prod-3", Addr: "db-3.example.test:3307"}}},
		{Name: "ledger", Hosts: []configs.Host{{Name: "ledger-1", Addr: "ledger.example.test:3307"}}},
	}})
	require.NoError(t, err)
	for name, next := range map[string]string{
		"db-prd-3": "Did you mean db-prod-3?", "DB-PROD-33": "Did you mean db-prod-3?", "ledgr": "Did you mean ledger?",
		"ledger-1x": "Did you mean ledger-1?", "evil.example.test": "", "db-prod-3.evil.test": "", "169.254.169.254:80": "",
	} {
		_, err := targets.Find(name)
		var p *engine.Problem
		require.ErrorAs(t, err, &p, name)
		require.Equal(t, "unknown_host", p.Code)
		require.Equal(t, name+" is not a configured host or cluster.", p.Sentence())
		require.Equal(t, next, p.Hint(), name)
	}
	found, err := targets.Find("db-3.example.test:3307")
	require.NoError(t, err)
	require.Equal(t, "db-prod-3", found.Host.Name)
}
