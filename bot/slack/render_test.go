package slack

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	sdk "github.com/slack-go/slack"

	"mysql-recycler/bot"
)

// inert fails when a text that Slack parses holds anything but what we write on purpose.
func inert(t require.TestingT, s string) {
	rest := meant.ReplaceAllString(s, "")
	require.NotContains(t, rest, "<", s)
	require.NotContains(t, rest, ">", s)
	require.NotContains(t, entities.ReplaceAllString(rest, ""), "&", s)
}

var (
	meant = regexp.MustCompile(`<@[UW][A-Z0-9]+>|<!subteam\^S0DBA>|<#[CGD][A-Z0-9]+>|<!date\^\d+\^\{date_short_pretty\} \{time\}\|[^<>|]+>|<https?://[^<>|]+\|[^<>|]*>`)
	// An entity is never cut: what is left of one would be found here.
	entities = regexp.MustCompile(`&(amp|lt|gt);`)
)

// within fails when a drawn message is outside Slack's limits or not inert.
func within(t require.TestingT, m bot.Message) {
	text, blocks := draw(m)
	require.NotEmpty(t, strings.TrimSpace(text))
	require.LessOrEqual(t, size(text), maxSummary)
	inert(t, text)
	require.NoError(t, checkBlocks(blocks, maxBlocks))
	raw, err := json.Marshal(blocks)
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(raw, &tree))
	require.LessOrEqual(t, walk(t, tree), 13_000)
}

// walk counts the text below v and checks all of it that is parsed.
func walk(t require.TestingT, v any) int {
	n := 0
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			n += walk(t, e)
		}
	case map[string]any:
		if s, ok := x["text"].(string); ok {
			n += size(s)
			require.Equal(t, clean(s), s)
			if x["type"] == sdk.MarkdownType {
				inert(t, s)
			}
		}
		for _, e := range x {
			n += walk(t, e)
		}
	}
	return n
}

// letters make random text: a few that mean something to Slack, some wide, some hidden.
var letters = []string{"a", "Z", "_", "*", "~", "`", "<", ">", "&", "|", "!", "@", "#", ":", "\n", " ", "表", "é", "😀", "\u202e", "\u200b", "\x00",
	"<!channel>", "<@U0BOB>", "&lt;", "https://x.example/y", "\xff", strings.Repeat("long ", 30)}

func randomText(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(letters[r.IntN(len(letters))])
	}
	return b.String()
}

func randomSpans(r *rand.Rand, most int) []bot.Span {
	var out []bot.Span
	for range r.IntN(8) {
		sp := bot.Span{Text: randomText(r, most), Bold: r.IntN(3) == 0, Code: r.IntN(3) == 0}
		switch r.IntN(8) {
		case 0:
			sp.User = "U0BOB"
			if r.IntN(2) == 0 {
				sp.User, sp.Group = "", "S0DBA"
			}
		case 1:
			sp.Channel = "C0DBOPS"
		case 2:
			sp.Time = time.Unix(r.Int64N(1<<33), 0)
		case 3:
			sp.Link = "https://grafana.example/d/1?x=<" + randomText(r, 3)
		case 4:
			sp.Emoji = "hourglass"
		}
		out = append(out, sp)
	}
	return out
}

func randomBlock(r *rand.Rand, most int) bot.Block {
	switch r.IntN(8) {
	case 0:
		return bot.Block{Header: randomText(r, most)}
	case 1:
		return bot.Block{Text: randomSpans(r, most)}
	case 2:
		var fs []bot.Field
		for range r.IntN(14) {
			fs = append(fs, bot.Field{Label: randomText(r, 5), Value: randomSpans(r, most)})
		}
		return bot.Block{Fields: fs}
	case 3:
		return bot.Block{Code: randomText(r, 4*most)}
	case 4:
		t := &bot.Table{Right: []bool{false, true}}
		for range r.IntN(24) {
			t.Header = append(t.Header, randomText(r, 4))
		}
		for range r.IntN(120) {
			var row []string
			for range r.IntN(24) {
				row = append(row, randomText(r, 3))
			}
			t.Rows = append(t.Rows, row)
		}
		return bot.Block{Table: t}
	case 5:
		return bot.Block{Context: randomSpans(r, most)}
	case 6:
		var bs []bot.Button
		for range r.IntN(30) {
			bs = append(bs, bot.Button{Action: "act", Value: randomText(r, 10), Label: randomText(r, most), Style: []string{"", "primary", "danger", "pink"}[r.IntN(4)],
				Confirm: &bot.Confirm{Title: randomText(r, most), Text: randomText(r, most), Yes: randomText(r, most), No: randomText(r, most)}})
		}
		return bot.Block{Actions: bs}
	}
	return bot.Block{Divider: true}
}

func randomMessage(r *rand.Rand, blocks int) bot.Message {
	m := bot.Message{Summary: randomText(r, 10)}
	for range r.IntN(blocks) {
		m.Blocks = append(m.Blocks, randomBlock(r, 1+r.IntN(30)))
	}
	return m
}

func FuzzDraw(f *testing.F) {
	f.Add(uint64(1), "x", "<!channel>")
	f.Add(uint64(2), "`a`", strings.Repeat("&", 5000))
	f.Fuzz(func(t *testing.T, seed uint64, a, b string) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := randomMessage(r, 3)
		sp := []bot.Span{{Text: a}, {Text: b, Bold: true}, {Text: a, Code: true}, {User: a, Text: b}, {Link: a, Text: b}, {Emoji: a}, {Text: a, Time: time.Unix(int64(seed), 0)}}
		m.Blocks = append(m.Blocks, bot.Block{Header: a}, bot.Block{Text: sp}, bot.Block{Context: sp}, bot.Block{Code: b},
			bot.Block{Fields: []bot.Field{{Label: a, Value: sp}}}, bot.Block{Table: &bot.Table{Header: []string{a}, Rows: [][]string{{b}, {a, b}}}},
			bot.Block{Actions: []bot.Button{{Action: a, Value: b, Label: b}}})
		r.Shuffle(len(m.Blocks), func(i, j int) { m.Blocks[i], m.Blocks[j] = m.Blocks[j], m.Blocks[i] })
		within(t, m)
	})
}

func FuzzForm(f *testing.F) {
	f.Add("deny", "R-1", "Title", "Label", "value", 10)
	f.Add("", "", "", "", "", -1)
	f.Fuzz(func(t *testing.T, id, ref, title, label, value string, n int) {
		v, err := drawForm(bot.Form{ID: id, Ref: ref, Title: title, Submit: label, Cancel: value, Intro: []bot.Span{{Text: label}},
			Inputs: []bot.Input{{ID: id, Label: label, Hint: title, Initial: value, MaxLen: n}, {ID: id, Label: label},
				{ID: id + "2", Label: label, Initial: value, Options: []bot.Option{{Value: value, Label: label}, {Value: title, Label: value}}}}},
			formRef{Channel: "C1", URL: "https://hooks.slack.com/x"})
		if err != nil {
			require.Greater(t, size(id)+size(ref), 200)
			return
		}
		require.NoError(t, checkBlocks(v.Blocks.BlockSet, maxViewBlocks))
		require.LessOrEqual(t, size(v.Title.Text), maxTitle)
		require.LessOrEqual(t, size(v.PrivateMetadata), maxMetadata)
		require.NotEmpty(t, v.Title.Text)
	})
}

// The sandbox's own reading of the limits agrees with ours on random messages.
func TestRandomMessagesAreAccepted(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Tuning.Rate = 1000 })
	r := rand.New(rand.NewPCG(42, 42))
	const n = 60
	for i := range n {
		m := randomMessage(r, 70)
		within(t, m)
		raw, err := json.Marshal(m)
		require.NoError(t, err)
		s.put(bot.Post{Key: fmt.Sprint("m", i), Channel: dbOps, Body: raw})
	}
	s.until("all are shown", func() bool { return s.c.Stats().Out.Posted == n })
	require.Zero(t, s.logs.FilterMessageSnippet("shape").Len())
	require.Zero(t, s.logs.FilterMessageSnippet("limits").Len())
	s.clean()
}

func card() bot.Message {
	return bot.Message{Summary: "alice asks to recycle 3 tables on db-prod-3.", Blocks: []bot.Block{
		{Header: "Recycle db-prod-3"},
		{Text: []bot.Span{{User: "U0ALICE"}, {Text: " asks for "}, {Text: "/recycle run db-prod-3", Code: true}}},
		{Fields: []bot.Field{{Label: "Gives back", Value: []bot.Span{{Text: "41.2 GB"}}}, {Label: "Host", Value: []bot.Span{{Text: "db-prod-3", Code: true}}}}},
		{Table: &bot.Table{Header: []string{"Table", "Size"}, Rows: [][]string{{"shop.order_items", "12 GB"}, {"shop.订单", "3 GB"}}, Right: []bool{false, true}}},
		{Context: []bot.Span{{Text: "plan 1a2b3c4d, expires "}, {Time: time.Unix(1_700_000_000, 0)}}},
		{Actions: []bot.Button{{Action: "approve", Value: "a1|R-7QK2|1a2b", Label: "Approve", Style: "primary", Confirm: &bot.Confirm{Title: "Approve?", Text: "3 tables", Yes: "Approve", No: "Back"}},
			{Action: "deny", Value: "d1|R-7QK2|1a2b", Label: "Deny", Style: "danger"}}},
	}}
}

func TestCardIsDrawnAsMeant(t *testing.T) {
	t.Parallel()
	text, blocks := draw(card())
	require.Equal(t, "alice asks to recycle 3 tables on db-prod-3.", text)
	got, err := json.MarshalIndent(blocks, "", "  ")
	require.NoError(t, err)
	const golden = "testdata/card.json"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), string(got))
}

func TestAGroupIsMentioned(t *testing.T) {
	t.Parallel()
	m := bot.Message{Summary: "R-7QK2 waits", Blocks: []bot.Block{{Text: []bot.Span{{Group: "S0DBA"}, {Text: " waits"}}}, {Context: []bot.Span{{Group: "S0DBA"}, {Text: " waits"}}},
		{Text: []bot.Span{{Group: "S0> <!channel"}}}}}
	within(t, m)
	_, blocks := draw(m)
	raw, err := json.Marshal(blocks)
	require.NoError(t, err)
	require.Contains(t, string(raw), `{"type":"usergroup","usergroup_id":"S0DBA"}`)
	require.Equal(t, 1, strings.Count(string(raw), `"usergroup_id"`), "what is no id is text")
}

func TestLongContentGivesWayAndButtonsStay(t *testing.T) {
	t.Parallel()
	m := bot.Message{Summary: "long"}
	for range 80 {
		m.Blocks = append(m.Blocks, bot.Block{Code: strings.Repeat("line of code\n", 400)}, bot.Block{Divider: true})
	}
	m.Blocks = append(m.Blocks, bot.Block{Actions: []bot.Button{{Action: "approve", Value: "v", Label: "Approve"}}})
	within(t, m)
	_, blocks := draw(m)
	kinds := map[sdk.MessageBlockType]int{}
	for _, b := range blocks {
		kinds[b.BlockType()]++
	}
	require.Equal(t, 1, kinds[sdk.MBTAction])
	require.LessOrEqual(t, len(blocks), maxBlocks)
	last, ok := blocks[len(blocks)-1].(*sdk.ContextBlock)
	require.True(t, ok)
	require.Contains(t, last.ContextElements.Elements[0].(*sdk.TextBlockObject).Text, "more parts do not fit")
}

func TestWideTableIsAlignedText(t *testing.T) {
	t.Parallel()
	tbl := bot.Table{Header: []string{"Table", "MB"}, Rows: [][]string{{"shop.订单明细", "1200"}, {"shop.items", "7"}}, Right: []bool{false, true}}
	_, blocks := draw(bot.Message{Summary: "x", Blocks: []bot.Block{{Table: &tbl}, {Table: &tbl}}})
	require.Equal(t, sdk.MBTTable, blocks[0].BlockType())
	pre := blocks[1].(*sdk.RichTextBlock).Elements[0].(*sdk.RichTextPreformatted).Elements[0].(*sdk.RichTextSectionTextElement).Text
	require.Equal(t, "Table            MB\nshop.订单明细  1200\nshop.items        7", pre)
	for i := range 3 {
		tbl.Rows = append(tbl.Rows, tbl.Rows[:min(len(tbl.Rows), 60)]...)
		_ = i
	}
	for len(tbl.Rows) < 600 {
		tbl.Rows = append(tbl.Rows, []string{"shop.filler_table_name", "1"})
	}
	_, blocks = draw(bot.Message{Summary: "x", Blocks: []bot.Block{{Table: &tbl}}})
	raw, err := json.Marshal(blocks)
	require.NoError(t, err)
	require.Contains(t, string(raw), "more rows")
}

func TestText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ab c\nd", clean("a\u202eb\tc\r\nd\u0000\ufeff"))
	require.Equal(t, "ab…", cut("abcd", 3))
	require.Equal(t, "😀…", cut("😀😀", 3), "an emoji is two units and is not halved")
	require.Equal(t, "a&lt;…", cutEscaped("a<<b", 6))
	require.Equal(t, "shop.order_items", mrkdwn("shop.order_items", 100))
	require.Equal(t, "`_x_`", mrkdwn("_x_", 100))
	require.Equal(t, "`ˋxˋ`", mrkdwn("`x`", 100))
	require.Equal(t, "approve", action("approve~2"))
	require.Equal(t, "a~b", action("a~b"))
	require.Equal(t, "&lt;!channel&gt;", inline([]bot.Span{{Text: "<!channel>"}}, 100))
	require.Equal(t, "on `db-1` s", inline([]bot.Span{{Text: "on"}, {Text: "db-1", Code: true}, {Text: "s"}}, 100))
}

// What is shown of an error must hold no secret: slack-go puts the address into it.
func TestScrubTakesAddressesOut(t *testing.T) {
	t.Parallel()
	_, err := http.Get("http://127.0.0.1:1/commands/T1/secret")
	require.ErrorContains(t, err, "secret")
	require.NotContains(t, scrub("answer", err).Error(), "secret")
}

// The manifest asks for exactly the scopes the self-check looks for.
func TestManifestAsksForOurScopes(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../configs/slack-manifest.yaml")
	require.NoError(t, err)
	var m struct {
		OAuth struct {
			Scopes struct{ Bot []string } `yaml:"scopes"`
		} `yaml:"oauth_config"`
		Settings struct {
			SocketMode bool `yaml:"socket_mode_enabled"`
			Events     struct {
				Bot []string `yaml:"bot_events"`
			} `yaml:"event_subscriptions"`
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &m))
	require.ElementsMatch(t, Scopes, m.OAuth.Scopes.Bot)
	require.True(t, m.Settings.SocketMode)
	require.ElementsMatch(t, []string{"app_home_opened", "member_joined_channel", "subteam_members_changed"}, m.Settings.Events.Bot)
}
