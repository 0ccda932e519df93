package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/topology"
)

// Each row changes one thing about a replica that would be let through, and names the sentence that
// must refuse it.
func TestEveryReasonRefuses(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		change func(s *guard.Subject)
		want   string
	}{
		{"writable replica", func(s *guard.Subject) { s.Instance.State.ReadOnly = false }, "db-prod-2 accepts writes (read_only=0)"},
		{"no channel", func(s *guard.Subject) { s.Instance.Links = nil }, "db-prod-2 does not replicate from any server"},
		{"RESET REPLICA without ALL", func(s *guard.Subject) { s.Instance.Links[0].SourceLogFile = "" }, "db-prod-2 has a replication channel that never read from its source"},
		{"receiver stopped", func(s *guard.Subject) { s.Instance.Links[0].IORunning = "No" }, "db-prod-2 does not receive from its source (receiver stopped)"},
		{"applier stopped", func(s *guard.Subject) { s.Instance.Links[0].SQLRunning = "No" }, "db-prod-2 does not apply what it receives (applier stopped, and not by us)"},
		{"another applier stopped", func(s *guard.Subject) {
			s.Instance.Links[0].SQLRunning, s.Expect.Stopped = "No", []string{"other"}
		}, "db-prod-2 does not apply what it receives (applier stopped, and not by us)"},
		{"another server", func(s *guard.Subject) { s.Instance.Identity = "00000003-0000-0000-0000-000000000000" }, "db-prod-2 is another server than the one approved"},
		{"unknown server", func(s *guard.Subject) { s.Instance.Identity, s.Expect.Identity = "x", "x" }, "db-prod-2 is not in the newest topology of prod"},
		{"no plan", func(s *guard.Subject) { s.Expect.Identity = "" }, "no plan says which server db-prod-2 has to be"},
		{"other role", func(s *guard.Subject) { s.Expect.Role = topology.RoleIntermediate }, "db-prod-2 is a replica now; an intermediate was approved"},
		{"new replica", func(s *guard.Subject) {
			s.Expect.Role = topology.RoleIntermediate
			s.Instance.Replicas = []topology.Downstream{{Addr: dbconn.Addr{Host: "10.0.0.3", Port: 3306}, ServerID: 3, From: topology.FromReplicas}}
		}, "db-prod-2 has a replica that the topology does not know: server_id 3 at 10.0.0.3:3306"},
		{"partial topology", func(s *guard.Subject) { s.Topology.Partial = true }, "the topology of prod is known in part only"},
		{"unknown source", func(s *guard.Subject) { s.Instance.Links[0].SourceIdentity = "elsewhere" }, "the source of db-prod-2, 10.0.0.1:3306, is not known in the topology"},
		{"group", func(s *guard.Subject) { s.Instance.Group = "group_replication secondary online" }, "db-prod-2 is a member of a group (group_replication secondary online); groups are not rebuilt"},
		{"own writes", func(s *guard.Subject) { s.Instance.GTIDExecuted += "," + string(s.Instance.Identity) + ":1-3" }, "db-prod-2 is written to: transactions of its own since 14:02:11"},
		{"own tagged writes", func(s *guard.Subject) { s.Instance.GTIDExecuted += "," + string(s.Instance.Identity) + ":app:1" }, "db-prod-2 is written to: transactions of its own since 14:02:11"},
		{"unreadable GTIDs", func(s *guard.Subject) { s.Instance.GTIDExecuted = "garbage" }, "the transactions of db-prod-2 cannot be read"},
		{"missing right", func(s *guard.Subject) { s.Instance.Missing = []string{"replication status could not be read"} }, "db-prod-2 could not be looked at completely: replication status could not be read"},
		{"not reached", func(s *guard.Subject) {
			s.Instance.Reached, s.Instance.Version = false, dbconn.Version{}
		}, "db-prod-2 was not reached, so nobody knows whether it accepts writes"},
		{"hangs after its settings", func(s *guard.Subject) { s.Instance.Reached = false }, "db-prod-2 said read_only=1 and then nothing more"},
		{"hangs after read_only=0", func(s *guard.Subject) {
			s.Instance.Reached, s.Instance.State.ReadOnly = false, false
		}, "db-prod-2 accepts writes (read_only=0)"},
		{"another server that hangs", func(s *guard.Subject) {
			s.Instance.Reached, s.Instance.Missing, s.Instance.Identity = false, []string{"it hangs"}, "00000003-0000-0000-0000-000000000000"
		}, "db-prod-2 is another server than the one approved"},
		{"errant GTID", func(s *guard.Subject) { s.Expect.Replicated = true }, "a replicated rebuild on db-prod-2 would create an errant GTID"},
		{"MariaDB strict, even if allowed", func(s *guard.Subject) {
			s.Expect.Replicated, s.Expect.AllowErrant = true, true
			s.Instance.Version.Flavor, s.Instance.State.GTIDStrict = dbconn.MariaDB, true
			s.Instance.GTIDExecuted, s.Topology.Instances[1].GTIDExecuted = "0-1-5", "0-1-5"
		}, "a replicated rebuild on db-prod-2 would stop its replication (gtid_strict_mode=1)"},
		{"no binary log", func(s *guard.Subject) { s.Expect.Replicated, s.Instance.State.LogBin = true, false }, "db-prod-2 writes no binary log, so nothing would replicate from it"},
		{"snapshot", func(s *guard.Subject) { s.Fresh = false }, "db-prod-2 was not asked just now; a stored answer gives no permission"},
		{"writable member of a ring", func(s *guard.Subject) {
			s.Instance.State.ReadOnly = false
			s.Topology.Instances[0].Links = []topology.Link{{Source: s.Instance.Addr, SourceIdentity: s.Instance.Identity, SourceLogFile: "b", IORunning: "Yes", SQLRunning: "Yes"}}
		}, "db-prod-2 is a primary now; a replica was approved"},
	}
	g := guard.Default(guard.ExternalConfig{})
	calm := g.Ask(t.Context(), subject(trio(), "db-prod-2"))
	require.True(t, calm.Allowed(), "%v", calm.Reasons())
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := subject(trio(), "db-prod-2")
			row.change(&s)
			v := g.Ask(t.Context(), s)
			require.False(t, v.Allowed())
			require.Contains(t, v.Reasons(), row.want)
			require.Error(t, v.Err())
		})
	}
}

// What a policy may allow, and what it may not.
func TestPolicies(t *testing.T) {
	t.Parallel()
	g := guard.Default(guard.ExternalConfig{})
	primary := subject(trio(), "db-prod-1")
	primary.Expect.AllowPrimary = true
	require.True(t, g.Ask(t.Context(), primary).Allowed(), "%v", g.Ask(t.Context(), primary).Reasons())

	replica := subject(trio(), "db-prod-2")
	replica.Expect.AllowPrimary = true
	replica.Instance.State.ReadOnly = false
	require.False(t, g.Ask(t.Context(), replica).Allowed(), "the policy covers a server that was approved as the primary, no other")

	errant := subject(trio(), "db-prod-2")
	errant.Expect.Replicated, errant.Expect.AllowErrant = true, true
	errant.Instance.GTIDExecuted += "," + string(errant.Instance.Identity) + ":1"
	require.True(t, g.Ask(t.Context(), errant).Allowed(), "%v", g.Ask(t.Context(), errant).Reasons())

	stopped := subject(trio(), "db-prod-2")
	stopped.Instance.Links[0].SQLRunning, stopped.Expect.Stopped = "No", []string{""}
	require.True(t, g.Ask(t.Context(), stopped).Allowed(), "we stopped it ourselves")
	stopped.Expect.Stopped, stopped.Running = nil, true
	require.True(t, g.Ask(t.Context(), stopped).Allowed(), "a backup stopped it during our rebuild")

	primary.Topology.Partial = true
	require.False(t, g.Ask(t.Context(), primary).Allowed(), "a half-known topology refuses an allowed primary too")

	partial := subject(trio(), "db-prod-2")
	partial.Topology.Partial, partial.Expect.AllowPartial = true, true
	require.True(t, g.Ask(t.Context(), partial).Allowed())
}

// A tool that reads the binary log of a replica makes it an intermediate neither in the walk, whose
// role a plan freezes, nor here.
func TestBinlogReaderIsNoReplica(t *testing.T) {
	t.Parallel()
	s := subject(trio(), "db-prod-2")
	s.Instance.Replicas = []topology.Downstream{{Seen: dbconn.Addr{Host: "10.0.0.9"}, From: topology.FromProcesslist}}
	s.Expect.Role = topology.RoleOf(s.Instance)
	require.Equal(t, topology.RoleReplica, s.Expect.Role)
	v := guard.Default(guard.ExternalConfig{}).Ask(t.Context(), s)
	require.True(t, v.Allowed(), "%v", v.Reasons())
}

// A verdict says what changed, and only what looks like a primary is called a promotion.
func TestVerdictSaysWhatChanged(t *testing.T) {
	t.Parallel()
	g := guard.Default(guard.ExternalConfig{})
	for name, row := range map[string]struct {
		change   func(s *guard.Subject)
		promoted bool
		want     string
	}{
		"writable":         {func(s *guard.Subject) { s.Instance.State.ReadOnly = false }, true, "db-prod-2 accepts writes (read_only=0)"},
		"receiver stopped": {func(s *guard.Subject) { s.Instance.Links[0].IORunning = "No" }, false, "db-prod-2 does not receive from its source (receiver stopped)"},
		"group":            {func(s *guard.Subject) { s.Instance.Group = "galera"; s.Expect.Role = "" }, false, "db-prod-2 is a member of a group (galera); groups are not rebuilt"},
		"hangs": {func(s *guard.Subject) { s.Instance.Reached, s.Instance.Missing = false, []string{"it hangs"} }, false,
			"db-prod-2 could not be looked at completely: it hangs"},
		"a new replica": {func(s *guard.Subject) {
			s.Instance.Replicas = []topology.Downstream{{ServerID: 3, From: topology.FromReplicas}}
		}, true, "db-prod-2 is an intermediate now; a replica was approved"},
	} {
		s := subject(trio(), "db-prod-2")
		s.Running = true
		row.change(&s)
		v := g.Ask(t.Context(), s)
		require.Equal(t, row.promoted, v.Promoted(), name)
		require.Contains(t, v.Changed(), row.want, name)
	}
	s := subject(trio(), "db-prod-2")
	s.Expect.Role, s.Running = topology.RoleIntermediate, true
	v := g.Ask(t.Context(), s)
	require.True(t, v.Allowed(), "an intermediate that lost its replica is still one's replica: %v", v.Reasons())
}

// What the server wrote is said where it can be known, and that it cannot be known elsewhere.
func TestWritesSaysWhatItKnows(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change  func(then, now *topology.Instance, e *guard.Expectation)
		refused bool
		want    string
	}{
		"no GTID, updates logged": {func(_, now *topology.Instance, _ *guard.Expectation) { now.Binlog.Position = 9000 }, false,
			"whether db-prod-2 wrote anything of its own since 14:02:11 cannot be told: without GTIDs its binary log does not tell its own writes from those of its source"},
		"no GTID, a quiet log": {func(_, now *topology.Instance, _ *guard.Expectation) { now.State.LogUpdates = false }, false,
			"db-prod-2 wrote nothing of its own since 14:02:11"},
		"no GTID, the log moved": {func(_, now *topology.Instance, _ *guard.Expectation) {
			now.State.LogUpdates, now.Binlog.Position = false, 9000
		}, true, "db-prod-2 is written to: transactions of its own since 14:02:11"},
		"no GTID, our own statement": {func(_, now *topology.Instance, e *guard.Expectation) {
			now.State.LogUpdates, now.Binlog.Position, e.Replicated = false, 9000, true
		}, false, "db-prod-2 wrote of its own, as the plan does"},
		"no GTID, rotated": {func(_, now *topology.Instance, _ *guard.Expectation) {
			now.State.LogUpdates, now.Binlog = false, topology.BinlogPos{File: "bin.000002", Position: 157}
		}, false, "whether db-prod-2 wrote anything of its own since 14:02:11 cannot be told: without GTIDs, and with its binary log gone on from bin.000001 to bin.000002"},
		"no binary log": {func(_, now *topology.Instance, _ *guard.Expectation) { now.State.LogBin = false }, false,
			"whether db-prod-2 wrote anything of its own since 14:02:11 cannot be told: it writes no binary log"},
	} {
		topo := trio()
		then := &topo.Instances[1]
		then.State.GTIDMode, then.GTIDExecuted, then.Binlog = false, "", topology.BinlogPos{File: "bin.000001", Position: 4711}
		s := subject(topo, "db-prod-2")
		row.change(then, &s.Instance, &s.Expect)
		found := false
		for _, f := range guard.Default(guard.ExternalConfig{}).Ask(t.Context(), s).Findings {
			if f.Validator == "writes" {
				found = true
				require.Equal(t, row.want, f.Sentence, name)
				require.Equal(t, row.refused, f.Refused, name)
			}
		}
		require.True(t, found)
	}
}

// odd is a validator that does not behave.
type odd struct {
	name string
	do   func(context.Context) guard.Finding
}

func (o odd) Name() string                                             { return o.name }
func (o odd) Judge(ctx context.Context, _ guard.Subject) guard.Finding { return o.do(ctx) }

// A validator that breaks, hangs or says nothing refuses; nobody is no permission.
func TestFailClosed(t *testing.T) {
	t.Parallel()
	ok := odd{"ok", func(context.Context) guard.Finding { return guard.Finding{Validator: "ok"} }}
	s := subject(trio(), "db-prod-2")
	require.True(t, guard.New(ok).Ask(t.Context(), s).Allowed())
	require.False(t, guard.New().Ask(t.Context(), s).Allowed())

	broken := odd{"broken", func(context.Context) guard.Finding { panic("boom") }}
	silent := odd{"silent", func(context.Context) guard.Finding { return guard.Finding{} }}
	slow := odd{"slow", func(ctx context.Context) guard.Finding { <-ctx.Done(); return guard.Finding{Validator: "slow"} }}
	for want, v := range map[string]guard.Validator{
		`the check "broken" on db-prod-2 broke`:          broken,
		`the check "silent" on db-prod-2 gave no answer`: silent,
	} {
		verdict := guard.New(ok, v).Ask(t.Context(), s)
		require.Equal(t, []string{want}, verdict.Reasons())
		require.False(t, verdict.Known())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	verdict := guard.New(ok, slow).Ask(ctx, s)
	require.Equal(t, []string{`the check "slow" on db-prod-2 did not answer in time`}, verdict.Reasons())
	require.EqualError(t, guard.Verdict{}.Err(), "refused by the guard: no check was heard")
}

// The cache refuses for its time and never allows.
func TestCacheOnlyRefuses(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := guard.NewCache(10*time.Second, func() time.Time { return now })
	g := guard.Default(guard.ExternalConfig{})
	primary, replica := subject(trio(), "db-prod-1"), subject(trio(), "db-prod-2")

	c.Note(replica.Instance.Identity, g.Ask(t.Context(), replica))
	_, found := c.Refusal(replica.Instance.Identity)
	require.False(t, found, "nothing is kept of a permission")

	c.Note(primary.Instance.Identity, g.Ask(t.Context(), primary))
	v, found := c.Refusal(primary.Instance.Identity)
	require.True(t, found)
	require.False(t, v.Allowed())
	require.Contains(t, v.Reasons(), "db-prod-1 accepts writes (read_only=0)")
	now = now.Add(9 * time.Second)
	_, found = c.Refusal(primary.Instance.Identity)
	require.True(t, found)
	now = now.Add(time.Second)
	_, found = c.Refusal(primary.Instance.Identity)
	require.False(t, found)

	c.Note("x", guard.Verdict{Findings: []guard.Finding{{Validator: "external", Refused: true, Unknown: true}}})
	_, found = c.Refusal("x")
	require.False(t, found, "what could not be learned is not remembered")
}
