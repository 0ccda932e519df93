package sandbox

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestMarkupInChromium draws mrkdwn in the real page and reads the HTML back.
func TestMarkupInChromium(t *testing.T) {
	ctx, s, _ := world(t, nil)
	tab := browser(t, ctx)
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(s.URL()+"/#bob/db-ops"), chromedp.WaitReady(chromedp.CSS("body[data-ready]"))))
	for src, want := range map[string]string{
		"*bold* _it_ ~gone~ `a*b`":                  `<strong>bold</strong> <em>it</em> <s>gone</s> <code>a*b</code>`,
		"2*3*4 snake_case_name":                     `2*3*4 snake_case_name`,
		"*_both_*":                                  `<strong><em>both</em></strong>`,
		"a &lt;b&gt; &amp;amp;":                     `a &lt;b&gt; &amp;amp;`,
		"<script>alert(1)</script>":                 `&lt;script&gt;alert(1)&lt;/script&gt;`,
		"<javascript:alert(1)|x>":                   `&lt;javascript:alert(1)|x&gt;`,
		"<https://a.example/?q=1&amp;r|go>":         `<a href="https://a.example/?q=1&amp;r" target="_blank" rel="noopener noreferrer">go</a>`,
		"<@U0ALICE> <@U0BOB>":                       `<span class="mention">@alice</span> <span class="mention me">@bob</span>`,
		"<!subteam^S0DBA> <#C0DBOPS>":               `<span class="mention me">@dba</span> <span class="mention">#db-ops</span>`,
		"<!date^1700000000^{date_num} {time}|soon>": `<time datetime="2023-11-14T22:13:20.000Z" title="soon">2023-11-14 23:13</time>`,
		"&gt; said\nnot":                            `<blockquote>said</blockquote>not`,
		"```\nSELECT *\n```after":                   `<pre>SELECT *</pre>after`,
		"one\ntwo":                                  `one<br>two`,
		":no_such: at 10:30:45":                     `:no_such: at 10:30:45`,
	} {
		arg, err := json.Marshal(src)
		require.NoError(t, err)
		js := `import("/mrkdwn.js").then(m => { const d = document.createElement("div"); d.append(...m.mrkdwn(` + string(arg) + `)); return d.innerHTML })`
		got, err := chromedp.Run(tab, chromedp.Evaluate[string](js, chromedp.EvalAwaitPromise))
		require.NoError(t, err)
		require.Equal(t, want, got, src)
	}
	got, err := chromedp.Run(tab, chromedp.Evaluate[string](`import("/mrkdwn.js").then(m => { const d = document.createElement("div"); d.append(...m.mrkdwn(":white_check_mark: done")); return d.textContent })`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	require.Equal(t, "✅ done", got)
}
