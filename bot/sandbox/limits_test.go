package sandbox

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func long(n int) string { return strings.Repeat("é", n) } // characters count, not bytes

func plainText(s string) obj { return obj{"type": "plain_text", "text": s} }
func mrk(s string) obj       { return obj{"type": "mrkdwn", "text": s} }
func section(s string) obj   { return obj{"type": "section", "text": mrk(s)} }

func button(id, label string) obj {
	return obj{"type": "button", "action_id": id, "text": plainText(label)}
}

func actions(els ...any) obj { return obj{"type": "actions", "elements": els} }

func times(n int, f func(i int) any) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func options(n int) []any {
	return times(n, func(i int) any { return obj{"text": plainText("o"), "value": strconv.Itoa(i)} })
}

// asJSON sends blocks through JSON, which is how they arrive.
func asJSON(t *testing.T, v any) []any {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	var out []any
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

func TestBlockLimits(t *testing.T) {
	t.Parallel()
	with := func(o obj, k string, v any) obj { o[k] = v; return o }
	row := func(n int) []any { return times(n, func(int) any { return obj{"type": "raw_text", "text": "c"} }) }
	for _, tc := range []struct {
		name    string
		ok, bad obj
		pointer string
	}{
		{"section text", section(long(3000)), section(long(3001)), "/blocks/0/text/text"},
		{"empty text", section("x"), section(""), "/blocks/0/text/text"},
		{"fields count", obj{"type": "section", "fields": times(10, func(int) any { return mrk("f") })},
			obj{"type": "section", "fields": times(11, func(int) any { return mrk("f") })}, "/blocks/0/fields"},
		{"field text", obj{"type": "section", "fields": []any{mrk(long(2000))}}, obj{"type": "section", "fields": []any{mrk(long(2001))}}, "/blocks/0/fields/0/text"},
		{"header", obj{"type": "header", "text": plainText(long(150))}, obj{"type": "header", "text": plainText(long(151))}, "/blocks/0/text/text"},
		{"header is plain", obj{"type": "header", "text": plainText("x")}, obj{"type": "header", "text": mrk("x")}, "/blocks/0/text/type"},
		{"context", obj{"type": "context", "elements": times(10, func(int) any { return mrk("c") })},
			obj{"type": "context", "elements": times(11, func(int) any { return mrk("c") })}, "/blocks/0/elements"},
		{"actions", actions(times(25, func(i int) any { return button(strconv.Itoa(i), "b") })...),
			actions(times(26, func(i int) any { return button(strconv.Itoa(i), "b") })...), "/blocks/0/elements"},
		{"button text", actions(button("a", long(75))), actions(button("a", long(76))), "/blocks/0/elements/0/text/text"},
		{"button value", actions(with(button("a", "b"), "value", long(2000))), actions(with(button("a", "b"), "value", long(2001))), "/blocks/0/elements/0/value"},
		{"button style", actions(with(button("a", "b"), "style", "danger")), actions(with(button("a", "b"), "style", "default")), "/blocks/0/elements/0/style"},
		{"action_id", actions(button(long(255), "b")), actions(button(long(256), "b")), "/blocks/0/elements/0/action_id"},
		{"same action_id", actions(button("a", "b"), button("c", "d")), actions(button("a", "b"), button("a", "d")), "/blocks/0/elements/1/action_id"},
		{"confirm text", actions(with(button("a", "b"), "confirm", confirm(300))), actions(with(button("a", "b"), "confirm", confirm(301))), "/blocks/0/elements/0/confirm/text/text"},
		{"options", selectOf("static_select", 100), selectOf("static_select", 101), "/blocks/0/elements/0/options"},
		{"overflow", selectOf("overflow", 5), selectOf("overflow", 6), "/blocks/0/elements/0/options"},
		{"checkboxes", selectOf("checkboxes", 10), selectOf("checkboxes", 11), "/blocks/0/elements/0/options"},
		{"image alt", obj{"type": "image", "image_url": "https://x", "alt_text": "a"}, obj{"type": "image", "image_url": "https://x"}, "/blocks/0/alt_text"},
		{"table rows", obj{"type": "table", "rows": times(100, func(int) any { return row(2) })}, obj{"type": "table", "rows": times(101, func(int) any { return row(2) })}, "/blocks/0/rows"},
		{"table cells", obj{"type": "table", "rows": []any{row(20)}}, obj{"type": "table", "rows": []any{row(21)}}, "/blocks/0/rows/0"},
		{"markdown", obj{"type": "markdown", "text": long(12000)}, obj{"type": "markdown", "text": long(12001)}, "/blocks/0/text"},
		{"unknown type", obj{"type": "divider"}, obj{"type": "devider"}, "/blocks/0/type"},
		{"rich leaf", rich(obj{"type": "text", "text": "x"}), rich(obj{"type": "text", "text": ""}), "/blocks/0/elements/0/elements/0/text"},
		{"chart", chartOf(6), chartOf(7), "/blocks/0/chart/segments"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, CheckBlocks(asJSON(t, []any{tc.ok}), SurfaceMessage))
			found := CheckBlocks(asJSON(t, []any{tc.bad}), SurfaceMessage)
			require.Len(t, found, 1, "%v", found)
			require.Equal(t, tc.pointer, found[0].Pointer)
			require.Contains(t, found[0].String(), "[json-pointer:"+tc.pointer+"]")
		})
	}
}

func confirm(n int) obj {
	return obj{"title": plainText("t"), "text": plainText(long(n)), "confirm": plainText("y"), "deny": plainText("n")}
}

func selectOf(kind string, n int) obj {
	return actions(obj{"type": kind, "action_id": "a", "options": options(n)})
}

func rich(leaf obj) obj {
	return obj{"type": "rich_text", "elements": []any{obj{"type": "rich_text_section", "elements": []any{leaf}}}}
}

func chartOf(n int) obj {
	return obj{"type": "data_visualization", "title": "t", "chart": obj{"type": "pie",
		"segments": times(n, func(int) any { return obj{"label": "l", "value": 1.0} })}}
}

func TestBlockCounts(t *testing.T) {
	t.Parallel()
	div := func(n int) []any { return asJSON(t, times(n, func(int) any { return obj{"type": "divider"} })) }
	require.Empty(t, CheckBlocks(div(50), SurfaceMessage))
	require.NotEmpty(t, CheckBlocks(div(51), SurfaceMessage))
	require.Empty(t, CheckBlocks(div(100), SurfaceHome))
	require.NotEmpty(t, CheckBlocks(div(101), SurfaceModal))

	table := obj{"type": "table", "rows": []any{[]any{obj{"type": "raw_text", "text": "c"}}}}
	require.NotEmpty(t, CheckBlocks(asJSON(t, []any{table, table}), SurfaceMessage))
	same := []any{obj{"type": "divider", "block_id": "x"}, obj{"type": "divider", "block_id": "x"}}
	require.Equal(t, codeUnique, CheckBlocks(asJSON(t, same), SurfaceMessage)[0].Code)

	big := asJSON(t, times(5, func(int) any { return section(long(2640)) }))
	require.Empty(t, CheckBlocks(big, SurfaceMessage), "13,200 characters")
	big = append(big, asJSON(t, []any{section("x")})...)
	require.Equal(t, codeTooLong, CheckBlocks(big, SurfaceMessage)[0].Code)
	require.Empty(t, CheckBlocks(big, SurfaceModal), "the total is a rule for messages")
}

func TestViewLimits(t *testing.T) {
	t.Parallel()
	in := obj{"type": "input", "label": plainText("l"), "element": obj{"type": "plain_text_input", "action_id": "a", "max_length": 3000.0}}
	view := func(change func(v obj)) []Violation {
		v := obj{"type": "modal", "title": plainText(long(24)), "submit": plainText("Go"), "blocks": asJSON(t, []any{in})}
		change(v)
		return CheckView(v)
	}
	require.Empty(t, view(func(obj) {}))
	require.Equal(t, "/view/title/text", view(func(v obj) { v["title"] = plainText(long(25)) })[0].Pointer)
	require.Equal(t, codeRequired, view(func(v obj) { delete(v, "title") })[0].Code)
	require.Equal(t, codeRequired, view(func(v obj) { delete(v, "submit") })[0].Code)
	require.Equal(t, "/view/private_metadata", view(func(v obj) { v["private_metadata"] = long(3001) })[0].Pointer)
	require.Equal(t, "/view/blocks/0/element/max_length", view(func(v obj) {
		v["blocks"].([]any)[0].(obj)["element"].(obj)["max_length"] = 3001.0
	})[0].Pointer)
}

func TestLintText(t *testing.T) {
	t.Parallel()
	known := func(id string) bool { return id == "U1" || id == "S1" || id == "C1" }
	for text, want := range map[string]string{
		"fine &lt;!channel&gt; &amp; <@U1> <#C1> <!subteam^S1>":           "",
		"> a quote\nthen <https://a.example|the docs>":                    "",
		"<!date^1392734382^{date_short} at {time}|18 Feb>":                "",
		"<!date^1392734382^{date_short}^https://a.example/x|18 Feb 2014>": "",
		"host <!channel> down":                                            "broadcast <!channel>",
		"<!here>":                                                         "broadcast <!here>",
		"<@U2> did it":                                                    "mention of an unknown id <@U2>",
		"<!subteam^S2>":                                                   "mention of an unknown group <!subteam^S2>",
		"a < b":                                                           "unescaped < or > in a < b",
		"R&D":                                                             "unescaped & in &D",
		"<http://evil|http://bank.example>":                               "link label names another host <http://evil|http://bank.example>",
		"<b>bold</b>":                                                     "unescaped < <b>",
		"<!date^soon^{time}|x>":                                           "malformed date <!date^soon^{time}|x>",
		"<javascript:alert(1)|click>":                                     "unescaped < <javascript:alert(1)|click>",
		"x &amp; y & z":                                                   "unescaped & in & z",
		"first &lt;\nline > then <!everyone>":                             "broadcast <!everyone>",
	} {
		got := LintText(text, known)
		if want == "" {
			require.Empty(t, got, text)
			continue
		}
		require.NotEmpty(t, got, text)
		require.Equal(t, want, got[0], text)
	}
}
