// Command shot takes a picture of a sandbox page in headless Chromium, for documentation and for
// looking at what people will see:
//
//	go run ./bot/sandbox/shot http://127.0.0.1:8377/#alice/db-ops thread.png 1280 900
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/chromedp/chromedp"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "shot:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: shot URL FILE.png WIDTH HEIGHT")
	}
	width, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return fmt.Errorf("width: %w", err)
	}
	height, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return fmt.Errorf("height: %w", err)
	}
	profile, err := os.MkdirTemp("", "shot-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(profile) }() // a browser profile in the temporary folder
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	actx, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(profile))...)
	defer stop()
	tab, closeTab := chromedp.NewContext(actx)
	defer closeTab()
	err = chromedp.Do(tab, chromedp.EmulateViewport(width, height), chromedp.Navigate(args[0]),
		chromedp.WaitReady(chromedp.CSS("body[data-ready]")), chromedp.Sleep(time.Second)) // fonts and transitions
	if err != nil {
		return fmt.Errorf("open %s: %w", args[0], err)
	}
	png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err != nil {
		return fmt.Errorf("take the picture: %w", err)
	}
	return os.WriteFile(args[1], png, 0o644)
}
