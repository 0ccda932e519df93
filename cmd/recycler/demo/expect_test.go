package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/sandbox"
)

// What a good story shows, and what the servers say then.
const (
	foundText = `Found 4 servers around db-prod-3; 4 tables would give back 134 MiB.
db-prod-1        primary       MySQL 9.7.4  read_only=0
├─ db-prod-2     replica       MySQL 9.7.4  read_only=1  super_read_only=1  lag 0 s
└─ db-prod-3     intermediate  MySQL 9.7.4  read_only=1  super_read_only=1  lag 0 s
   └─ db-prod-4  replica       MySQL 9.7.4  read_only=1  super_read_only=1  lag 0 s
Table              On disk     After  Gives back  Share
shop.orders        108 MiB  44.0 MiB (42.0–45.0)    64.0 MiB   59 %
shop.events       72.0 MiB  25.0 MiB    47.0 MiB   65 %
crm.contacts      40.0 MiB  18.0 MiB    22.0 MiB   55 %
shop.customers    23.0 MiB  22.0 MiB     1.0 MiB    4 %
`
	cardText = `Recycle db-prod-3: waiting for approval
@alice asked: /recycle run db-prod-3 --schema=shop · R-X46G
Host: db-prod-3
Role: intermediate replica
Version: MySQL 9.7.4
Mode: binlog-off : this server only
Gives back: 112 MiB of 203 MiB (55 %); between 110 MiB and 113 MiB
Time: about 16 s
Tables: 3, one at a time
Table              On disk     After  Gives back             Method
shop.orders        108 MiB  44.0 MiB (42.0–45.0)    64.0 MiB  in place, no lock
shop.events       72.0 MiB  25.0 MiB    47.0 MiB  in place, no lock
shop.customers    23.0 MiB  22.0 MiB     1.0 MiB  in place, no lock
Needs the approval of one other person: bob, carol · expires 2026-11-30 13:17 UTC · plan fa6411b3
`
	finalText = `@alice @bob db-prod-3 is done: 112 MiB given back in 3 s (112 MiB predicted).
Table               Before     After  Given back  Predicted    Time
shop.orders        108 MiB  44.0 MiB    64.0 MiB   64.0 MiB  977 ms
shop.events       72.0 MiB  25.0 MiB    47.0 MiB   47.0 MiB  530 ms
shop.customers    23.0 MiB  22.0 MiB     1.0 MiB    1.0 MiB  343 ms
Sum                203 MiB  91.0 MiB     112 MiB    112 MiB     3 s
`
	threadText = `Started on db-prod-3: 3 tables, 203 MiB on disk, 112 MiB to give back, about 16 s.
---
shop.orders: 108 MiB → 44.0 MiB, 64.0 MiB given back in 977 ms (1/3).
---
Bot restarted 09:17:52 UTC; R-X46G resumed at table 2/3 on db-prod-3.
---
2 small tables: 95.0 MiB → 47.0 MiB, 48.0 MiB given back in 1 s.
shop.events, shop.customers
---
db-prod-3 is done: 112 MiB given back in 3 s`
	refusalText = `db-prod-1 is protected and will not be touched (seen 09:17:49 UTC).
• db-prod-1 accepts writes (read_only=0)
• db-prod-1 does not replicate from any server
• db-prod-1 has no replication source and 2 replicas
• db-prod-1 is the primary of db-prod
`
)

func theServers() []truth {
	return []truth{
		{"db-prod-1", "", "MySQL 9.7.4", "0", "0", ""}, {"db-prod-2", "db-prod-1", "MySQL 9.7.4", "1", "1", "1"},
		{"db-prod-3", "db-prod-1", "MySQL 9.7.4", "1", "1", "0"}, {"db-prod-4", "db-prod-3", "MySQL 9.7.4", "1", "1", "0"},
	}
}

func mibs(of map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for name, n := range of {
		out[name] = n << 20
	}
	return out
}

// filesBefore are the sizes that the texts above tell.
func filesBefore() map[string]int64 {
	return mibs(map[string]int64{"shop.orders": 108, "shop.events": 72, "crm.contacts": 40, "shop.customers": 23})
}

// told is everything that a story checks by its words.
func told(found, card, value, final, thread, refusal string, sent []string) []check {
	predicted, _ := readRows(foundText)
	plan, _ := readRows(cardText)
	servers := theServers()
	rows, _ := readRows(found)
	out := append(treeChecks(readTree(found), servers), predictionChecks(found, rows, filesBefore())...)
	rows, _ = readRows(card)
	out = append(out, planChecks(card, value, rows, predicted, servers[target], servers)...)
	rows, sum := readRows(final)
	after := mibs(map[string]int64{"shop.orders": 44, "shop.events": 25, "crm.contacts": 40, "shop.customers": 22})
	out = append(out, resultChecks(rows, sum, plan, filesBefore(), after)...)
	out = append(out, statementChecks(sent, named(plan))...)
	out = append(out, threadChecks(strings.Split(thread, "\n---\n"), named(plan), 2)...)
	return append(out, refusalChecks(refusal, servers)...)
}

const approvingValue = "R-X46G|fa6411b3aa00"

// Every check passes on what is so, and each fails on what is not.
func TestEachCheckCanFail(t *testing.T) {
	t.Parallel()
	sent := []string{"shop.orders", "shop.events", "shop.customers"}
	failed := func(cs []check) (out []string) {
		for _, c := range cs {
			if !c.good {
				out = append(out, c.what)
			}
		}
		return out
	}
	good := told(foundText, cardText, approvingValue, finalText, threadText, refusalText, sent)
	require.Empty(t, failed(good))
	seen := map[string]bool{}
	all := strings.Join([]string{foundText, cardText, approvingValue, finalText, threadText, refusalText}, "\x00")
	for _, lie := range [][3]string{
		{"├─ db-prod-2     replica       MySQL 9.7.4  read_only=1  super_read_only=1  lag 0 s\n", "", "the tree has every server once"},
		{"   └─ db-prod-4", "└─ db-prod-4   ", "the tree hangs every server below its source"},
		{"db-prod-3     intermediate", "db-prod-3     replica     ", "the tree gives every server's role"},
		{"primary       MySQL 9.7.4", "primary       MySQL 9.7.3", "the tree gives every server's version"},
		{"primary       MySQL 9.7.4  read_only=0", "primary       MySQL 9.7.4  read_only=1", "the tree gives every server's read_only"},
		{"intermediate  MySQL 9.7.4  read_only=1  super_read_only=1", "intermediate  MySQL 9.7.4  read_only=1", "the tree tells where super_read_only is on"},
		{"super_read_only=1  lag 0 s", "super_read_only=1  lag 9 s", "the tree gives every replica's lag"},
		{"super_read_only=1  lag 0 s", "super_read_only=1", "the tree gives every replica's lag"},
		{"crm.contacts      40.0 MiB  18.0 MiB    22.0 MiB   55 %\n", "", "every table is predicted"},
		{"shop.orders        108 MiB  44.0 MiB (42.0–45.0)    64.0 MiB   59 %", "shop.orders        107 MiB  43.0 MiB    64.0 MiB   59 %", "the prediction starts from the servers' file sizes"},
		{"25.0 MiB    47.0 MiB   65 %", "30.0 MiB    47.0 MiB   65 %", "each prediction adds up"},
		{"47.0 MiB   65 %", "47.0 MiB   95 %", "each prediction adds up"},
		{"shop.customers    23.0 MiB  22.0 MiB     1.0 MiB    4 %", "shop.customers    23.0 MiB   0.0 MiB    23.0 MiB  100 %", "the tables that give back most come first"},
		{"give back 134 MiB", "give back 234 MiB", "the sum of the prediction is told"},
		{"Host: db-prod-3", "Host: db-prod-2", "the card shows the host, its role and version"},
		{"Role: intermediate replica", "Role: replica", "the card shows the host, its role and version"},
		{"Mode: binlog-off", "Mode: binlog-on", "the card shows the mode, which keeps the binary log out"},
		{"Tables: 3,", "Tables: 4,", "the card shows the tables of the schema asked for, as predicted"},
		{"25.0 MiB    47.0 MiB  in place", "26.0 MiB    46.0 MiB  in place", "the card shows the tables of the schema asked for, as predicted"},
		{"Gives back: 112 MiB", "Gives back: 212 MiB", "the card shows the predicted bytes"},
		{"Time: about 16 s\n", "", "the card shows how long it should take"},
		{" · plan fa6411b3", "", "the card shows the digest that its button approves"},
		{approvingValue, "R-X46G|aaaaaaaa0000", "the card shows the digest that its button approves"},
		{"shop.events       72.0 MiB  25.0 MiB    47.0 MiB   47.0 MiB  530 ms\n", "", "the thread ends with every table of the plan"},
		{"47.0 MiB   47.0 MiB  530 ms", "57.0 MiB   47.0 MiB  530 ms", "its bytes before and after are the servers' file sizes"},
		{"Sum                203 MiB", "Sum                204 MiB", "its sum is the servers'"},
		{"47.0 MiB  530 ms", "47.0 MiB  –", "it tells how long each table took"},
		{"Started on db-prod-3: 3 tables", "Started on db-prod-3: 2 tables", "the thread says what was started, before anything else"},
		{"shop.events, shop.customers", "shop.events", "the thread has a milestone for each table"},
		{"\n---\ndb-prod-3 is done: 112 MiB given back in 3 s", "", "the thread ends with the summary"},
		{"resumed at table 2/3", "resumed at table 1/3", "after the crash the same thread goes on at the table where it was"},
		{"db-prod-1 is protected and", "db-prod-1 is free and", "the primary is refused"},
		{"and 2 replicas", "and 3 replicas", "the refusal gives the validators' reasons, which are the servers'"},
		{"writes (read_only=0)", "writes", "the refusal gives the validators' reasons, which are the servers'"},
	} {
		require.Contains(t, all, lie[0])
		p := strings.Split(strings.Replace(all, lie[0], lie[1], 1), "\x00")
		got := failed(told(p[0], p[1], p[2], p[3], p[4], p[5], sent))
		require.Contains(t, got, lie[2], "%q → %q", lie[0], lie[1])
		seen[lie[2]] = true
	}
	for _, wrong := range [][]string{{}, {"shop.orders", "shop.events"}, {"shop.orders", "shop.events", "shop.events", "shop.customers"}, {"shop.events", "shop.orders", "shop.customers"}, append(sent, "crm.contacts")} {
		got := failed(told(foundText, cardText, approvingValue, finalText, threadText, refusalText, wrong))
		require.NotEmpty(t, got, wrong)
		for _, name := range got {
			seen[name] = true
		}
	}
	rows, sum := readRows(finalText)
	big := filesBefore()
	big["shop.events"] = 60 << 20
	for _, name := range failed(resultChecks(rows, sum, rows, filesBefore(), big)) {
		seen[name] = true
	}
	for _, c := range good {
		if strings.HasSuffix(c.what, "says the server's log") {
			continue // one for each table
		}
		require.True(t, seen[c.what], "nothing makes this fail: %s", c.what)
	}
}

func TestApprovedCardsSayWhoAndWhen(t *testing.T) {
	t.Parallel()
	card := func(user string, at float64, buttons ...any) sandbox.Message {
		words := []any{obj{"type": "text", "text": "Approved by "}, obj{"type": "user", "user_id": user}, obj{"type": "text", "text": ", "}}
		if at > 0 {
			words = append(words, obj{"type": "date", "timestamp": at, "fallback": "then"})
		}
		return sandbox.Message{Blocks: []any{
			obj{"type": "rich_text", "elements": []any{obj{"type": "rich_text_section", "elements": words}}}, obj{"type": "actions", "elements": buttons}}}
	}
	deny := obj{"type": "button", "action_id": "deny", "text": obj{"type": "plain_text", "text": "Deny"}}
	for what, m := range map[string]sandbox.Message{
		"": card("U0BOB", 1000), "the card says who approved": card("U0ALICE", 1000), "the card says when": card("U0BOB", 900), "the buttons to decide are gone": card("U0BOB", 1000, deny),
	} {
		var failed []string
		for _, c := range approvedChecks(m, 995, 1005) {
			if !c.good {
				failed = append(failed, c.what)
			}
		}
		require.Equal(t, what != "", slices.Contains(failed, what), "%s: %v", what, failed)
	}
	require.False(t, approvedChecks(card("U0BOB", 0), 995, 1005)[1].good, "a card without a time")
}

func TestBarsAreRead(t *testing.T) {
	t.Parallel()
	version := func(text string) sandbox.Message { return sandbox.Message{Text: text} }
	require.Equal(t, []int{0, 2}, bars([]sandbox.Message{version("waiting"), version("░░░░░░░░░░░░░░░░░░░░ 0 % · 0/5 tables · 0 B given back"),
		version("▓▓▓▓▓▓▓▓▓▓▓░░░░░░░░░ 55 % · 2/5 tables · 116 MiB given back"), version("done")}))
}
