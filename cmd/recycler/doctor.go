package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"mysql-recycler/bot/slack"
	"mysql-recycler/configs"
	"mysql-recycler/engine/dbconn"
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
		Use: "doctor", Short: "Check configuration, storage, chat, plugins, every server and the clock", Args: cobra.NoArgs,
		Long: "Prints one line per check, with the next step where something is wrong, and changes nothing.\nReads every configured server: version, rights and clock. Exit code 1 when a check failed,\n2 when the configuration is wrong.",
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

// servers looks at every configured host, several at once, and prints them in order.
func (d *doctor) servers(ctx context.Context, t *targets) {
	type place struct {
		cluster configs.Cluster
		host    dbconn.Host
		told    []func()
	}
	var places []*place
	for _, cl := range t.config.Clusters {
		for _, h := range t.Access(cl.Name).Hosts {
			places = append(places, &place{cluster: cl, host: h})
		}
	}
	var g errgroup.Group
	g.SetLimit(doctorHosts)
	for _, p := range places {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
			defer cancel()
			p.told = d.server(ctx, t.Access(p.cluster.Name), p.host)
			return nil
		})
	}
	_ = g.Wait() // every look tells its own trouble
	for _, p := range places {
		for _, tell := range p.told {
			tell()
		}
	}
}

// server looks at one host and answers what is to be printed.
func (d *doctor) server(ctx context.Context, a *dbconn.Access, h dbconn.Host) (told []func()) {
	say := func(f func()) { told = append(told, f) }
	s, err := a.Open(ctx, h.Addr)
	if err != nil {
		say(func() { d.fail(h.Name, err) })
		return told
	}
	defer func() { _ = s.Close() }() // read only; a failed close loses nothing
	say(func() { d.line(good, h.Name, s.Version.String(), "") })
	missing, account, err := missingRights(ctx, s, len(d.set.Of(plugin.Executor, a.Cluster)) > 0)
	switch {
	case err != nil:
		say(func() { d.fail(h.Name+" rights", err) })
	case len(missing) > 0:
		say(func() {
			d.line(bad, h.Name+" rights", lacks(missing), strings.Join(dbconn.GrantSQL(account, missing), ";\n")+";")
		})
	default:
		say(func() { d.line(good, h.Name+" rights", account+" may do all it needs to", "") })
	}
	if skew, err := skewOf(ctx, s); err != nil {
		say(func() { d.fail(h.Name+" clock", err) })
	} else if skew > clockSkew || skew < -clockSkew {
		say(func() {
			d.line(warn, h.Name+" clock", fmt.Sprintf("%s away from this machine", skew.Round(time.Second)), "Check NTP on both.")
		})
	}
	return told
}

// missingRights are what the account lacks for discovering and rebuilding on a server, and for looking
// after executors.
func missingRights(ctx context.Context, s *dbconn.Server, executors bool) ([]dbconn.Right, string, error) {
	var account string
	if err := s.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&account); err != nil {
		return nil, "", fmt.Errorf("ask who we are: %w", err)
	}
	grants, err := dbconn.ReadGrants(ctx, s)
	if err != nil {
		return nil, account, err
	}
	need := dbconn.Need{Discover: true, Rebuild: true}
	if s.Version.Dialect().SuperReadOnly {
		var on sql.NullBool
		if err := s.QueryRowContext(ctx, "SELECT @@global.super_read_only").Scan(&on); err != nil {
			return nil, account, fmt.Errorf("read super_read_only: %w", err)
		}
		need.SuperReadOnly = on.Bool
	}
	rights := dbconn.Rights(s.Version, need)
	if executors {
		rights = append(rights, dbconn.ExecutorRights(s.Version, "")...)
	}
	return grants.Missing(rights), account, nil
}

// lacks names missing rights with what they are for.
func lacks(rights []dbconn.Right) string {
	var out []string
	for _, r := range rights {
		out = append(out, r.AnyOf[0]+" (to "+r.Why+")")
	}
	return "missing " + strings.Join(out, ", ")
}

// skewOf is how far a server's clock is ahead of this machine's.
func skewOf(ctx context.Context, s *dbconn.Server) (time.Duration, error) {
	var unix float64
	before := time.Now()
	if err := s.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(NOW(6))").Scan(&unix); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	middle := before.Add(time.Since(before) / 2)
	return time.UnixMicro(int64(unix * 1e6)).Sub(middle), nil
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
