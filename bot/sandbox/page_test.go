package sandbox

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser opens a tab of headless Chromium, 1280 by 800.
func browser(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	require.NotEmpty(t, path, "this test drives the page in a real browser: apt-get install chromium")
	ctx, cancel := context.WithTimeout(ctx, 35*time.Second)
	actx, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))...)
	tab, closeTab := chromedp.NewContext(actx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(tab) // closes the browser and waits for it
		closeTab()
		stop()
		cancel()
	})
	require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(1280, 800)))
	return tab
}

// person is one tab and what the test does in it.
type person struct {
	t   *testing.T
	tab context.Context
}

func (p person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.tab, steps...))
}

// click presses an element. A live update may replace it between being found and
// being pressed; then it is looked for again.
func (p person) click(css string) {
	p.t.Helper()
	until := time.Now().Add(8 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(p.tab, 3*time.Second)
		err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(css)), chromedp.Click(chromedp.CSS(css)))
		cancel()
		if err == nil {
			return
		}
		require.True(p.t, time.Now().Before(until), "click %s: %v", css, err)
	}
}

// sees waits until an element's text holds what.
func (p person) sees(css, what string) {
	p.t.Helper()
	js := fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, css, what)
	_, err := chromedp.Run(p.tab, chromedp.Poll[bool](js, chromedp.WithPollingTimeout(8*time.Second)))
	if err != nil {
		text, _ := chromedp.Run(p.tab, chromedp.Evaluate[string](`document.body.innerText`))
		p.t.Fatalf("no %q in %s: %v\nthe page says:\n%s", what, css, err, text)
	}
}

func (p person) value(js string) string {
	p.t.Helper()
	v, err := chromedp.Run(p.tab, chromedp.Evaluate[string]("String("+js+")"))
	require.NoError(p.t, err)
	return v
}

func TestPageInChromium(t *testing.T) {
	ctx, s, c := world(t, nil)
	newApp(t, ctx, s, 1)
	tab := browser(t, ctx)
	p := person{t, tab}
	console := chromedp.Console(tab)

	p.do(chromedp.Navigate(s.URL()+"/#alice/db-ops"), chromedp.WaitReady(chromedp.CSS("body[data-ready]")))
	p.sees("#presence", "Connected, 1 socket")
	p.do(chromedp.SendKeys(chromedp.CSS("#composer-main"), "/rec"))
	p.sees(".hint-row", "discover <host>")
	p.do(chromedp.SendKeys(chromedp.CSS("#composer-main"), "ycle discover db-prod-3\r"))
	p.sees(".ephemeral", "On it: discover db-prod-3")
	p.sees(".ephemeral", "Only visible to you")
	p.sees(".message strong", "A card")

	p.click("[data-action=approve]")
	p.sees("dialog", "It starts now.")
	p.click("dialog [data-confirm=yes]")
	p.sees(".ephemeral", "You asked; someone else must approve.")
	before := p.value(`document.querySelectorAll(".ephemeral").length`)
	require.Equal(t, "2", before)
	p.click(".ephemeral .linkish")
	require.NoError(t, c.Wait(ctx, func() (bool, error) {
		eph, err := c.Ephemerals(ctx, "alice")
		return len(eph) == 1, err
	}))

	p.click("#you")
	p.click(".menu-item:nth-child(2)")
	p.do(chromedp.WaitReady(chromedp.CSS("body[data-user=bob]")))
	p.sees("#you", "You are: bob")
	require.Equal(t, "0", p.value(`document.querySelectorAll(".ephemeral").length`), "bob must not see what was said to alice")

	p.click("[data-action=deny]")
	p.sees("dialog.modal", "Reason")
	p.click("dialog [data-submit]")
	p.sees("dialog .in-error", "required")
	p.do(chromedp.SendKeys(chromedp.CSS("dialog [data-block=why] input"), "bad"))
	p.click("dialog [data-submit]")
	p.sees("dialog .in-error", "Say more.")
	p.do(chromedp.SendKeys(chromedp.CSS("dialog [data-block=why] input"), " <b>timing</b>\r"))
	p.do(chromedp.WaitNotPresent(chromedp.CSS("dialog")))
	p.sees(".message", "Denied: bad <b>timing</b>")

	p.click("[data-action=approve]")
	p.click("dialog [data-confirm=yes]")
	p.sees(".message", "Approved by @bob")
	p.sees(".edited", "(edited)")
	require.Equal(t, "0", p.value(`document.querySelectorAll("[data-action=approve]").length`))

	p.do(chromedp.SendKeys(chromedp.CSS("#composer-main"), "/recycle status\r"))
	p.sees(".ephemeral", "On it: status")
	out, err := c.Say(ctx, "alice", "#db-audit", "", "*hello* <!channel>")
	require.NoError(t, err)
	require.NotEmpty(t, out)
	p.do(chromedp.WaitVisible(chromedp.CSS(".nav.unread .dot")))
	noErrors(t, tab, console)
}

// A thread is opened from a message, answered in with the keyboard, and closed; its replies are not in the
// channel, which only tells how many there are.
func TestThreadInChromium(t *testing.T) {
	ctx, s, c := world(t, nil)
	newApp(t, ctx, s, 1)
	tab := browser(t, ctx)
	p := person{t, tab}
	console := chromedp.Console(tab)
	root, err := c.Say(ctx, "bob", "#db-ops", "", "db-prod-3 is slow")
	require.NoError(t, err)

	p.do(chromedp.Navigate(s.URL()+"/#alice/db-ops"), chromedp.WaitReady(chromedp.CSS("body[data-ready]")))
	p.sees("#stream .message", "db-prod-3 is slow")
	p.do(chromedp.SendKeys(chromedp.CSS(fmt.Sprintf("#stream [data-ts=%q] [aria-label='Reply in thread']", root)), "\r"))
	p.sees("#thread .bar", "Thread")
	p.sees("#thread .message", "db-prod-3 is slow")
	p.do(chromedp.SendKeys(chromedp.CSS("#composer-thread"), "its *disk* is full\r"))
	p.sees("#thread .message .text b, #thread .message .text strong", "disk")
	p.sees("#stream .replies", "1 reply")
	_, err = c.Say(ctx, "bob", "#db-ops", root, "then recycle it")
	require.NoError(t, err)
	p.sees("#thread .message", "then recycle it")
	p.sees("#thread .day", "2 replies")
	p.sees("#stream .replies", "2 replies")
	require.Equal(t, "false", p.value(`document.querySelector("#stream").innerText.includes("then recycle it")`), "replies are in their thread alone")

	p.do(chromedp.SendKeys(chromedp.CSS("#composer-thread"), "/recycle list\r"))
	p.sees("#toasts", "Slash commands do not work in threads.")
	p.click("#thread [aria-label='Close thread']")
	p.do(chromedp.WaitNotVisible(chromedp.CSS("#thread")))
	p.click("#stream .replies") // and back, from the line that counts them
	p.sees("#thread .message", "its disk is full")

	thread, err := c.Thread(ctx, "#db-ops", root)
	require.NoError(t, err)
	require.Len(t, thread, 3)
	require.Equal(t, root, thread[1].ThreadTS)
	require.Equal(t, "its *disk* is full", thread[1].Text)
	require.Equal(t, "U0ALICE", thread[1].User)
	noErrors(t, tab, console)
}

// noErrors fails on anything the page complained about.
func noErrors(t *testing.T, tab context.Context, console func(func(chromedp.ConsoleMessage, error) bool)) {
	t.Helper()
	_, err := chromedp.Run(tab, chromedp.Evaluate[bool](`console.log("the end"), true`))
	require.NoError(t, err)
	for m, err := range console {
		require.NoError(t, err)
		line := fmt.Sprint(m)
		if strings.Contains(line, "the end") {
			return
		}
		require.NotContains(t, strings.ToLower(line), "error", "the page's console")
		require.NotContains(t, line, "Content Security Policy")
	}
}
