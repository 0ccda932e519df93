package bot

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/throttle"
)

func TestPhrases(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"There is no approved discovery of db-prod-3 yet.":                                                                               "db-prod-3 还没有已批准的发现结果。",
		"db-1 accepts writes (read_only=0); db-1 is the primary of shop":                                                                 "db-1 可写（read_only=0）；db-1 是 shop 的主库",
		"You can withdraw it. 可以审批的人：bob。":                                                                                               "你可以撤回它。可以审批的人：bob。",
		"the table grew from 10 to 20 MiB, more than the approved 20 %":                                                                  "该表从 10 MiB 增长到 20 MiB，超过批准的 20 %",
		"Something nobody has translated. Nor this.":                                                                                     "Something nobody has translated. Nor this.",
		"Error 1114 (HY000): The table '#sql-ib1' is full":                                                                               "Error 1114 (HY000): The table '#sql-ib1' is full",
		throttle.Reason{Metric: "replica_lag", Value: 14, Limit: 10, Unit: "s", Where: "db-2"}.String():                                  "db-2 复制延迟 14 s > 10 s",
		"db-2 is the only replica of its cluster: none would serve while it is rebuilt":                                                  "db-2 是集群唯一的从库：重建期间将没有从库提供服务",
		"db-2 may still be out of service. The plugin drain says no to after_node: 维护中.":                                                 "db-2 可能仍未恢复服务。插件 drain 拒绝 after_node：维护中。",
		"db-3 ends its running table and pauses, because db-2 is failed. Resume it or cancel it.":                                        "db-3 处理完当前表后暂停，因为 db-2 失败。请继续或取消。",
		"db-2 stopped being a replica while shop.t was rebuilt: the statement was killed. db-2 became the primary.":                      "重建 shop.t 时 db-2 不再是从库：语句已被中止。db-2 已成为主库。",
		"disk_free unknown on db-2: The plugin space did not answer free_disk within 2s":                                                 "db-2 磁盘剩余未知：插件 space 在 2s 内没有回应 free_disk",
		"db-2 has no replication source and 7 replicas":                                                                                  "db-2 没有复制源，却有 7 台从库",
		"db-2 is a group member now; a replica was approved":                                                                             "db-2 现在是组复制成员，批准时是从库",
		"db-2 cannot be watched: it refuses our account (error 1045)":                                                                    "无法监视 db-2：拒绝我们的账号（错误 1045）",
		"shop.t: The table was in use and its lock was not given in time; the table is as it was. Trying again.":                         "shop.t：表正在使用，未能及时获得锁；表保持原样。正在重试。",
		"Stopped shop.t: A critical limit was broken: replica_lag 14 s > 10 s on db-2; disk_free 1 B < 2 B on db-2. It is queued again.": "已中止 shop.t：超过紧急上限：db-2 复制延迟 14 s > 10 s；db-2 磁盘剩余 1 B < 2 B。已重新排队。",
		"shop.t on db-2 has ended: it is skipped.":                                                                                       "db-2 上的 shop.t 已结束：已跳过。",
		"foreign_work 2 > 0 on db-2: a backup of root@10.0.0.1 (connection 3), gh-ost of dba@10.0.0.2 (connection 4)":                    "db-2 上有他人的语句：root@10.0.0.1 的备份（连接 3），dba@10.0.0.2 的 gh-ost（连接 4）",
		"does not answer in time; last seen 2026-01-02 15:04 UTC, expected until 2026-01-09 15:04 UTC":                                   "未及时响应；上次见到 2026-01-02 15:04 UTC，保留到 2026-01-09 15:04 UTC",
		"A person wrote this: the disk, and it: is full; see there.":                                                                     "A person wrote this: the disk, and it: is full; see there.",
		"": "",
	} {
		require.Equal(t, want, Chinese.words(in))
		require.Equal(t, in, English.words(in))
	}
}

// unsaid are comparisons whose numbers say nothing: any work of others holds back, a closed window too.
var unsaid = regexp.MustCompile(`^(foreign_work|maintenance_window|replicas_missing) `)

// Every name of a phrase is in its translation, and no two phrases are the same.
func TestPhrasesKeepTheirNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range phrases {
		require.False(t, seen[p.english], p.english)
		seen[p.english] = true
		names := len(slot.FindAllString(p.english, -1))
		require.NotContains(t, p.chinese, "{"+strconv.Itoa(names+1)+"}", p.english)
		for n := range names {
			if !unsaid.MatchString(p.english) {
				require.Contains(t, p.chinese, "{"+strconv.Itoa(n+1)+"}", p.english)
			}
		}
		require.NotContains(t, p.chinese, "{}", p.english)

		in, want := p.english, p.chinese // and no other phrase is in its way
		for n := range names {
			name := "n" + strconv.Itoa(n+1)
			at := slot.FindStringIndex(in)
			if in[at[0]:at[1]] == "{s}" {
				in = in[:at[0]] + "failed" + in[at[1]:]
				want = strings.ReplaceAll(want, "{"+strconv.Itoa(n+1)+"}", "失败")
				continue
			}
			in, want = in[:at[0]]+name+in[at[1]:], strings.ReplaceAll(want, "{"+strconv.Itoa(n+1)+"}", name)
		}
		require.Equal(t, want, Chinese.words(in))
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
