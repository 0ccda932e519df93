package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mysql-recycler/bot/slack"
	"mysql-recycler/configs"
	"mysql-recycler/engine/plugin"
	"mysql-recycler/storage"
)

// Bounds of the doctor's looks.
const (
	doctorHosts   = 8                // looked at once
	doctorTimeout = 20 * time.Second // for one host
	clockSkew     = 5 * time.Second  // between this machine and a server; ages and leases read wrong beyond
)

func doctorCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "doctor", Short: "Check configuration, storage, chat, plugins, sources of truth, every server and the clock", Args: cobra.NoArgs,
		Long: "Prints one line per check, with the next step where something is wrong, and changes nothing.\nReads every configured server: version, rights, clock and heartbeat. Exit code 1 when a check failed,\n2 when the configuration is wrong.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, t, err := load(path)
			if err != nil {
				return err
			}
			d := &doctor{out: c.OutOrStdout()}
			d.line(good, "configuration", fmt.Sprintf("%d cluster(s)", len(cfg.Clusters)), "")
			d.storage(c.Context(), cfg, path)
			d.chat(c.Context(), cfg)
			d.plugins(c.Context(), cfg)
			d.external(c.Context(), t)
			d.servers(c.Context(), t)
			if d.failed > 0 {
				return fmt.Errorf("%d of %d checks failed", d.failed, d.checks)
			}
			_, err = fmt.Fprintf(d.out, "all %d checks passed\n", d.checks)
			return err
		},
	}
	configFlag(c, &path)
	return c
}

// mark is how a check ended, as a word: colour is never the only signal.
type mark string

const (
	good mark = "ok  "
	warn mark = "warn"
	bad  mark = "FAIL"
)

// doctor prints checks.
type doctor struct {
	out            io.Writer
	checks, failed int
	set            *plugin.Set
}

// line prints one check and, below it, what to do.
func (d *doctor) line(m mark, what, seen, hint string) {
	d.checks++
	if m == bad {
		d.failed++
	}
	_, _ = fmt.Fprintf(d.out, "%s  %-28s %s\n", m, what, seen)
	if hint != "" {
		_, _ = fmt.Fprintf(d.out, "      → %s\n", strings.ReplaceAll(hint, "\n", "\n        "))
	}
}

// fail prints an error as people read it.
func (d *doctor) fail(what string, err error) {
	seen, hint := err.Error(), ""
	var s interface{ Sentence() string }
	if errors.As(err, &s) {
		seen = s.Sentence()
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		hint = h.Hint()
	}
	d.line(bad, what, seen, hint)
}

// storage opens the database and closes it again. A database that is not there yet is only looked
// for, not made.
func (d *doctor) storage(ctx context.Context, cfg configs.Config, path string) {
	ok, err := storageThere(cfg.Storage.URL.Reveal())
	if err != nil {
		d.fail("storage", err)
		return
	}
	if !ok {
		d.line(good, "storage", "not made yet; serve makes it", "")
		return
	}
	db, err := openDB(ctx, cfg.Storage.URL.Reveal())
	if err != nil {
		d.fail("storage", err)
		return
	}
	d.line(good, "storage", "opens, schema is current", "")
	d.running(ctx, db, path)
	if err := db.Close(); err != nil {
		d.fail("storage", err)
	}
}

// running tells whether processes of this machine that have the same file could take it as it last
// changed. Processes that are gone are left out.
func (d *doctor) running(ctx context.Context, db *storage.DB, path string) {
	const what, newest = "running configuration", 200
	all, err := storage.NewFacts(db).Reloads(ctx, newest)
	if err != nil {
		d.fail(what, err)
		return
	}
	seen := map[string]bool{}
	for _, r := range all {
		if seen[r.Process] || !strings.HasPrefix(r.Process, place()) || dead(r.Process) || !sameFile(r.File, path) {
			continue
		}
		seen[r.Process] = true
		if r.Refused {
			d.line(warn, what, fmt.Sprintf("%s refused the file at %s: %s", r.Node, r.At.Format(time.DateTime), strings.Join(r.Mistakes, "; ")),
				"It works on with the one before. Mend the file; it is read again when it changes.")
			continue
		}
		taken := fmt.Sprintf("%s has taken the file of %s", r.Node, r.At.Format(time.DateTime))
		if len(r.Restart) > 0 {
			d.line(warn, what, taken, "Restart it for: "+strings.Join(r.Restart, ", "))
			continue
		}
		d.line(good, what, taken, "")
	}
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// chat asks Slack who the bot is, what it may do and which channels it is in.
func (d *doctor) chat(ctx context.Context, cfg configs.Config) {
	if !cfg.Node.Has(configs.RoleBot) && !cfg.Node.Has(configs.RoleAPI) {
		d.line(good, "chat", "not needed: node.roles is worker only", "")
		return
	}
	client, err := slack.New(slack.Options{
		BotToken: cfg.Slack.BotToken.Reveal(), AppToken: cfg.Slack.AppToken.Reveal(), APIURL: cfg.Slack.APIURL,
		Inbox: inbox{}, Outbox: outbox{}, // a check receives and sends nothing
	})
	if err != nil {
		d.fail("chat", err)
		return
	}
	var ids []string
	for id := range channels(cfg) {
		ids = append(ids, id)
	}
	for _, cl := range cfg.Clusters {
		if id := cl.BreakGlass.Channel; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id) // told where nobody can read it, break-glass would be quiet
		}
	}
	if id := cfg.Slack.FallbackChannel; id != "" && !slices.Contains(ids, id) {
		ids = append(ids, id)
	}
	r, err := client.SelfCheck(ctx, ids)
	if err != nil {
		d.fail("chat", err)
		return
	}
	d.line(good, "chat", fmt.Sprintf("%s in workspace %s", r.BotUser, r.Team), "")
	if len(r.MissingScopes) > 0 {
		d.line(bad, "chat scopes", "missing: "+strings.Join(r.MissingScopes, ", "), "Add them to the app from configs/slack-manifest.yaml and install it again.")
	}
	for _, ch := range r.Channels {
		if ch.Problem != nil {
			d.fail("channel "+ch.ID, ch.Problem)
			continue
		}
		d.line(good, "channel "+ch.ID, "#"+ch.Name, "")
	}
}

// storageThere reports whether the database can exist already: a file that is not there yet is
// fine when its folder is.
func storageThere(url string) (bool, error) {
	path, file := strings.CutPrefix(url, "sqlite://")
	if !file {
		return true, nil
	}
	there, err := exists(path)
	if err != nil || there {
		return there, err
	}
	folder, err := exists(filepath.Dir(path))
	if err == nil && !folder {
		err = fmt.Errorf("the folder %s does not exist", filepath.Dir(path))
	}
	return false, err
}
