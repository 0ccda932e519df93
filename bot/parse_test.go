package bot

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine/rebuild"
)

func TestParseUnderstandsWhatChatsDoToCommands(t *testing.T) {
	t.Parallel()
	run := Line{Verb: VerbRun, Target: "db-prod-3"}
	shop := run
	shop.Select.Schemas = []string{"shop"}
	dry := shop
	dry.Select.DryRun = true
	full := Line{Verb: VerbRun, Target: "db-prod-3", Select: Select{
		Schemas: []string{"shop", "crm*"}, Tables: []string{"shop.order*", "audit log"}, MinBytes: 64e6, MinShare: 0.2,
		Mode: rebuild.BinlogOff, Parallel: 2, MaxLag: 90 * time.Second, DryRun: true,
	}}
	for name, c := range map[string]struct {
		in   string
		want Line
	}{
		"nothing":                 {"", Line{Verb: VerbHelp}},
		"blanks":                  {" \u00a0\u200b ", Line{Verb: VerbHelp}},
		"plain":                   {"discover db-prod-3", Line{Verb: VerbDiscover, Target: "db-prod-3"}},
		"capitals":                {"DISCOVER DB-Prod-3", Line{Verb: VerbDiscover, Target: "db-prod-3"}},
		"full width host":         {"discover ｄｂ-prod-３", Line{Verb: VerbDiscover, Target: "db-prod-3"}},
		"link with label":         {"run <http://db-prod-3.example.com|db-prod-3.example.com>", Line{Verb: VerbRun, Target: "db-prod-3.example.com"}},
		"bare link":               {"run <https://db-prod-3/path>", run},
		"mail link":               {"run <mailto:db-prod-3|db-prod-3>", run},
		"backticks":               {"`run db-prod-3 --schema shop`", shop},
		"backticks around a word": {"run `db-prod-3` schema=`shop`", shop},
		"em dash":                 {"run db-prod-3 —schema shop —dry-run", dry},
		"doubled em dash":         {"run db-prod-3 ——schema=shop ⸺dry-run", dry},
		"en dashes":               {"run db-prod-3 ––schema shop –dry–run", dry},
		"minus and hyphens":       {"run db‑prod−3 --schema shop", shop},
		"smart quotes":            {"run db-prod-3 --schema “shop”", shop},
		"german and single":       {"run db-prod-3 --schema ‚shop‘ „–dry“", func() Line { l := shop; l.Select.Tables = []string{"–dry"}; return l }()},
		"nbsp":                    {"run\u00a0db-prod-3\u2009--schema\u00a0shop", shop},
		"key=value":               {"run db-prod-3 schema=shop", shop},
		"entities in a pattern":   {"run db-prod-3 --schema sh&amp;op", Line{}},
		"flag first":              {"run --schema shop db-prod-3", shop},
		"tables as words":         {"run db-prod-3 shop.orders", func() Line { l := run; l.Select.Tables = []string{"shop.orders"}; return l }()},
		"everything": {`run db-prod-3 --schema shop,crm* --table shop.order* --table "audit log" --min-bytes 64MB --min-share 20% --mode binlog-off --parallel=2 --max-lag 90s --dry-run`,
			full},
		"synonym":   {"run db-prod-3 --schemas shop", shop},
		"checked":   {"run db-prod-3 --check-rows", func() Line { l := run; l.Select.CheckRows = true; return l }()},
		"caps":      {"run db-prod-3 --max-tables 20 --max-bytes 2GiB", func() Line { l := run; l.Select.MaxTables, l.Select.MaxBytes = 20, 2<<30; return l }()},
		"schedules": {"schedule", Line{Verb: VerbSchedule, Plan: Planned{Action: ScheduleList}}},
		"schedule add": {"schedule add db-prod-3 —cron “0 2 * * SUN” --zone Asia/Shanghai --window 4h --missed once --schema shop", func() Line {
			l := shop
			l.Verb = VerbSchedule
			l.Plan = Planned{Action: ScheduleAdd, Timing: approvals.Timing{Cron: "0 2 * * SUN", Zone: "Asia/Shanghai", Window: 4 * time.Hour, Missed: approvals.MissedOnce}}
			return l
		}()},
		"schedule skip":      {"schedule skip s7qko", Line{Verb: VerbSchedule, Plan: Planned{Action: ScheduleSkip, ID: "S-7QK0"}}},
		"id folded":          {"status r7qk2", Line{Verb: VerbStatus, Request: "R-7QK2"}},
		"id without R":       {"cancel 7qk2", Line{Verb: VerbCancel, Request: "R-7QK2"}},
		"id with R inside":   {"cancel R7K2", Line{Verb: VerbCancel, Request: "R-R7K2"}},
		"id of a job":        {"resume R-7QK2.2", Line{Verb: VerbResume, Request: "R-7QK2"}},
		"letters for digits": {"status R-OIL1", Line{Verb: VerbStatus, Request: "R-0111"}},
		"pause now":          {"pause R-7QK2 --now", Line{Verb: VerbPause, Request: "R-7QK2", Now: true}},
		"bare flag off":      {"run db-prod-3 --dry-run=no", run},
		"list":               {"list mine", Line{Verb: VerbList, Filter: "mine"}},
		"topic":              {"help run", Line{Verb: VerbHelp, Topic: "run"}},
		"dashed verb":        {"--help", Line{Verb: VerbHelp}},
		"slash in verb":      {"/discover db-prod-3", Line{Verb: VerbDiscover, Target: "db-prod-3"}},
		"bidi marks":         {"run \u202edb-prod-3\u202c", run},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(c.in)
			if c.want.Verb == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			again, err := Parse(got.String())
			require.NoError(t, err, got.String())
			require.Equal(t, got, again, got.String())
		})
	}
}

func TestMisreadsSayWhatToTypeInstead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"discvoer db-prod-3":             "I do not know the command `discvoer`. Did you mean `discover`?\nTry: `/recycle discover db-prod-3`\n",
		"zzz":                            "I do not know the command `zzz`.\n",
		"run db-prod-3 --shcema shop":    "`run` has no flag `--shcema`. Did you mean `--schema`?\nTry: `/recycle run db-prod-3 --schema shop`\n",
		"list --schema shop":             "`list` has no flag `--schema`.\n",
		"run db-prod-3 --min-bytes tiny": "`tiny` is not a value for `--min-bytes`.\nTry: `/recycle run db-prod-3 --min-bytes 64MB`\n",
		"run db-prod-3 --parallel":       "`--parallel` needs a value.\nTry: `/recycle run db-prod-3 --parallel 2`\n",
		"run db-prod-3 --parallel 99":    "`99` is not a value for `--parallel`.\nTry: `/recycle run db-prod-3 --parallel 2`\n",
		"run":                            "`run` needs a host.\nTry: `/recycle run db-prod-3`\n",
		"status":                         "`status` needs a request id.\nTry: `/recycle status R-7QK2`\n",
		"discover dв-prod-3":             "`dв-prod-3` is not a host name.\nTry: `/recycle discover db-prod-3`\n",
		"discover ../etc":                "`../etc` is not a host name.\nTry: `/recycle discover db-prod-3`\n",
		"list pendign":                   "`pendign` is none of: mine, pending, running. Did you mean `pending`?\nTry: `/recycle list pending`\n",
		"version now":                    "`version` does not expect `now`.\nTry: `/recycle version`\n",
		"status U":                       "`U` is not a request id.\nTry: `/recycle status R-7QK2`\n",
		`run db-prod-3 --schema "shop`: "A quote was opened and never closed.\n" +
			"    run db-prod-3 --schema \"shop\n                           ^\n",
		strings.Repeat("x", 2000): "This command is too long.\n",
	} {
		_, err := Parse(in)
		var m *Misread
		require.ErrorAs(t, err, &m, in)
		require.Equal(t, want, Text(m.message(English)), in)
		require.NotEqual(t, want, Text(m.message(Chinese)), in)
		require.NotEmpty(t, m.message(Chinese).Summary)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	hosts := []string{"db-prod-1", "db-prod-3", "db-stage-1"}
	require.Equal(t, 1, distance("ab", "ba"))
	require.Equal(t, 3, distance("", "abc"))
	require.Equal(t, "db-prod-3", nearest("db-prd-3", hosts))
	require.Equal(t, "db-stage-1", nearest("db-stage", hosts))
	require.Empty(t, nearest("something", hosts))
	require.Empty(t, nearest("x", hosts))
}

func TestValues(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"64MB": 64e6, "1GiB": 1 << 30, "1.5G": 3 << 29, "500m": 500 << 20, "10 KB": 1e4, "42": 42, "7B": 7, "0": 0} {
		got, ok := parseSize(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
		again, ok := parseSize(formatSize(got))
		require.True(t, ok)
		require.Equal(t, got, again)
	}
	for _, s := range []string{"", "MB", "-1", "1e9", "9999999TiB", "NaN", "0x10", "1.2.3", "inf"} {
		_, ok := parseSize(s)
		require.False(t, ok, s)
	}
	for s, want := range map[string]float64{"20%": 0.2, "0.2": 0.2, "100%": 1, "0": 0} {
		got, ok := parseShare(s)
		require.True(t, ok, s)
		require.InDelta(t, want, got, 1e-9)
	}
	for _, s := range []string{"20", "101%", "-5%", ""} {
		_, ok := parseShare(s)
		require.False(t, ok, s)
	}
	for s, want := range map[string]time.Duration{"10": 10 * time.Second, "10s": 10 * time.Second, "2min": 2 * time.Minute, "1m30s": 90 * time.Second} {
		got, ok := parseWait(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"soon", "-1s", "1000000h"} {
		_, ok := parseWait(s)
		require.False(t, ok, s)
	}
}

// FuzzParse feeds what people and chats may send: nothing may panic, and what was understood reads
// back from its plain form.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"run db-prod-3 --schema “shop” —dry-run", "run <http://db-prod-3|db-prod-3> --min-bytes=64MB", `status "R-7QK2`,
		"run a --table `b`.`c` --max-lag 1m30s", "pause r7qk2 --now", `run h "a\"b" 'c d' e\ f`, "<@U1|alice> <!subteam^S1|@dba> <#C1|x>",
		"help ——run", "run db --min-share 33% parallel=3 mode=off", "list \x00\xff pending", "run d &lt;!channel&gt;", "run h --after R-7QK2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := Normalise(s)
		require.NotContains(t, n, "\n")
		l, err := Parse(s)
		if err != nil {
			var m *Misread
			require.ErrorAs(t, err, &m)
			for _, loc := range []Locale{English, Chinese} {
				require.NotEmpty(t, Text(m.message(loc)))
			}
			return
		}
		again, err := Parse(l.String())
		require.NoError(t, err, "%q", l.String())
		require.Equal(t, l, again, "%q", l.String())
	})
}
