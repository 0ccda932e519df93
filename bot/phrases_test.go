package bot

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/throttle"
)

func TestPhrases(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"There is no approved discovery of db-prod-3 yet.":                                                          "db-prod-3 还没有已批准的发现结果。",
		"db-1 accepts writes (read_only=0); db-1 is the primary of shop":                                            "db-1 可写（read_only=0）；db-1 是 shop 的主库",
		"You can withdraw it. 可以审批的人：bob。":                                                                          "你可以撤回它。可以审批的人：bob。",
		"the table grew from 10 to 20 MiB, more than the approved 20 %":                                             "该表从 10 MiB 增长到 20 MiB，超过批准的 20 %",
		"Something nobody has translated. Nor this.":                                                                "Something nobody has translated. Nor this.",
		"Error 1114 (HY000): The table '#sql-ib1' is full":                                                          "Error 1114 (HY000): The table '#sql-ib1' is full",
		throttle.Reason{Metric: "replica_lag", Value: 14, Limit: 10, Unit: "s", Where: "db-2"}.String():             "db-2 复制延迟 14 s > 10 s",
		"db-2 is the only replica of its cluster: none would serve while it is rebuilt":                             "db-2 是集群唯一的从库：重建期间将没有从库提供服务",
		"db-2 may still be out of service. The plugin drain says no to after_node: 维护中.":                            "db-2 可能仍未恢复服务。插件 drain 拒绝 after_node：维护中。",
		"db-3 ends its running table and pauses, because db-2 is failed. Resume it or cancel it.":                   "db-3 处理完当前表后暂停，因为 db-2 failed。请继续或取消。",
		"db-2 stopped being a replica while shop.t was rebuilt: the statement was killed. db-2 became the primary.": "重建 shop.t 时 db-2 不再是从库：语句已被中止。db-2 已成为主库。",
		"disk_free unknown on db-2: The plugin space did not answer free_disk within 2s":                            "db-2 磁盘剩余未知：The plugin space did not answer free_disk within 2s",
		"": "",
	} {
		require.Equal(t, want, Chinese.words(in))
		require.Equal(t, in, English.words(in))
	}
}

// Every name of a phrase is in its translation, and no two phrases are the same.
func TestPhrasesKeepTheirNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range phrases {
		require.False(t, seen[p.english], p.english)
		seen[p.english] = true
		require.NotContains(t, p.chinese, "{"+string(rune('1'+strings.Count(p.english, "{}")))+"}", p.english)
		require.NotContains(t, p.chinese, "{}", p.english)
	}
	require.Len(t, phrasebook(), len(phrases))
}

// leftover is English in a Chinese text: two words beside each other.
var leftover = regexp.MustCompile(`[A-Za-z][a-z]{2,} [a-z]{2,}`)

// notOurs are words of people, of servers and of the command line, which nobody translates.
var notOurs = regexp.MustCompile(`freeze until Monday|the disk fills up within the hour|merge sort|^--.*|@?(alice|bob|carol)|on (sat|sun)|What happened .* words|^(discover|plan|run|history|schedule|region) |` +
	`/recycle [^，。]*|(discover|status) \S+|0 2 \* \* sun|binlog|mysql-recycler|errant GTID`)

// TestNoEnglishIsLeftInChinese reads every Chinese exhibit of the gallery.
func TestNoEnglishIsLeftInChinese(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "gallery.txt"))
	require.NoError(t, err)
	read := 0
	for line := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n") {
		var x exhibit
		require.NoError(t, json.Unmarshal([]byte(line), &x))
		if !strings.HasPrefix(x.Title, "zh: ") || strings.Contains(x.Title, "· glass") { // the audit channel reads English
			continue
		}
		for _, text := range wordsIn(x) {
			read++
			require.Empty(t, leftover.FindString(notOurs.ReplaceAllString(text, "")), "%s: %s", x.Title, text)
		}
	}
	require.Greater(t, read, 300)
}

// wordsIn is what people read of an exhibit, without names set as code and without commands.
func wordsIn(x exhibit) []string {
	var out []string
	spans := func(ss []Span) {
		for _, s := range ss {
			if !s.Code && s.User == "" {
				out = append(out, s.Text)
			}
		}
	}
	if m := x.Message; m != nil {
		out = append(out, m.Summary)
		for _, b := range m.Blocks {
			out = append(out, b.Header)
			spans(b.Text)
			spans(b.Context)
			for _, f := range b.Fields {
				out = append(out, f.Label)
				spans(f.Value)
			}
			if b.Table != nil {
				out = append(out, b.Table.Header...)
				for _, r := range b.Table.Rows {
					out = append(out, r...)
				}
			}
			for _, a := range b.Actions {
				out = append(out, a.Label)
				if a.Confirm != nil {
					out = append(out, a.Confirm.Title, a.Confirm.Text, a.Confirm.Yes, a.Confirm.No)
				}
			}
		}
	}
	if f := x.Form; f != nil {
		out = append(out, f.Title, f.Submit, f.Cancel)
		spans(f.Intro)
		for _, in := range f.Inputs {
			out = append(out, in.Label, in.Hint, in.Placeholder)
			for _, o := range in.Options {
				out = append(out, o.Label)
			}
		}
	}
	return out
}
