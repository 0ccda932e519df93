package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// page opens the status page in a real browser while one job has ended and one is held back.
func (p *program) page(t *testing.T, job, held string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	actx, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))...)
	defer stop()
	tab, closeTab := chromedp.NewContext(actx)
	defer func() { _ = chromedp.Cancel(tab); closeTab() }() // waits for the browser's end
	b := browser{t, tab}
	console := chromedp.Console(tab)

	require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(1280, 1500), chromedp.Navigate(p.url+"/"), chromedp.WaitVisible(chromedp.CSS("#token"))))
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "nonsense\r"))
	b.until(`document.querySelector("[role=alert]")`)
	secret, err := os.ReadFile(filepath.Join(p.dir, "reader"))
	require.NoError(t, err)
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), strings.TrimSpace(string(secret))+"\r"))

	b.until(`document.querySelector(".job [role=progressbar]") && document.querySelector(".job").innerText.includes("` + held + `")`)
	b.until(`document.querySelector(".waits")?.innerText.includes("long_transaction")`)
	b.until(`[...document.querySelectorAll("section")].at(-1).innerText.includes("` + job + `")`)
	b.until(`document.querySelector("svg .column")`)
	b.until(`document.querySelector("img.topology")?.naturalWidth > 100 && document.querySelector("img.topology").alt.includes("db-2")`)
	b.until(`document.body.innerText.includes("shop.carts") && !document.body.innerText.includes("shop.orders")`) // what was rebuilt is not worth it any more
	if to := os.Getenv("RECYCLER_SHOTS"); to != "" {
		b.shot(filepath.Join(to, "page.png"))
	}
	b.script(`[...document.querySelectorAll("button.link")].find((e) => e.innerText === "` + job + `").click()`)
	b.until(`document.querySelector("dialog[open]")?.innerText.includes("shop.orders")`)
	if to := os.Getenv("RECYCLER_SHOTS"); to != "" {
		b.shot(filepath.Join(to, "dialog.png"))
	}
	b.do(chromedp.Click(chromedp.CSS("dialog button")))
	b.until(`!document.querySelector("dialog")`)

	b.script(`[...document.querySelectorAll("header button")].find((e) => e.innerText === "中文").click()`)
	b.until(`document.documentElement.lang === "zh-CN" && document.body.innerText.includes("进行中")`)
	require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(390, 844)))
	b.until(`document.documentElement.scrollWidth <= 390`)
	if to := os.Getenv("RECYCLER_SHOTS"); to != "" {
		b.shot(filepath.Join(to, "phone.png"))
	}
	b.quiet(console)
}

// quiet wants a console without a word: no script failed, nothing was refused by the policy but the
// call with the wrong token.
func (b browser) quiet(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	b.t.Helper()
	b.script(`console.log("the end")`)
	for m, err := range console {
		require.NoError(b.t, err)
		line := fmt.Sprint(m)
		if strings.Contains(line, "the end") {
			return
		}
		require.Contains(b.t, line, "401")
	}
}

type browser struct {
	t   *testing.T
	tab context.Context
}

func (b browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.tab, steps...))
}

// script runs a statement.
func (b browser) script(js string) {
	b.t.Helper()
	_, err := chromedp.Run(b.tab, chromedp.Evaluate[bool]("("+js+", true)"))
	require.NoError(b.t, err)
}

// until waits for a condition of the page.
func (b browser) until(js string) {
	b.t.Helper()
	_, err := chromedp.Run(b.tab, chromedp.Poll[any]("Boolean("+js+")", chromedp.WithPollingTimeout(30*time.Second)))
	if err != nil {
		text, _ := chromedp.Run(b.tab, chromedp.Evaluate[string](`document.body.innerText`))
		require.NoError(b.t, err, "%s\n%s", js, text)
	}
}

func (b browser) shot(path string) {
	b.t.Helper()
	png, err := chromedp.Run(b.tab, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(path, png, 0o600))
}
