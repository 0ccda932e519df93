package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine/mysqltest"
)

// Options say what to play with.
type Options struct {
	Flavor string        // mariadb (default) or mysql
	Listen string        // address of the chat page; default 127.0.0.1:0
	Binary string        // the recycler to run as the bot; default: this executable
	Within time.Duration // of Play, boot and end included; default DefaultWithin
	Out    io.Writer
}

// DefaultWithin is how long the whole story may take on two cores.
const DefaultWithin = 3 * time.Minute

// names of the demo's servers, in the order of the topology's nodes: a primary, two replicas, and
// a replica of the second one.
var names = []string{"db-prod-1", "db-prod-2", "db-prod-3", "db-prod-4"}

// target is the server that is recycled.
const target = 2

const (
	clusterName = "db-prod"
	account     = "recycler"
	password    = "demo-password-of-a-throw-away-cluster"
	channel     = "C0DBOPS"
)

// tables are the demo's data: fragmented in different ways, and one that is healthy.
var tables = []mysqltest.TableSpec{
	{Schema: "shop", Name: "orders", Rows: 360_000, RowBytes: 240, DeletePercent: 65},
	{Schema: "shop", Name: "order_items", Rows: 300_000, RowBytes: 160, DeletePercent: 55},
	{Schema: "shop", Name: "events", Rows: 240_000, RowBytes: 200, DeletePercent: 70, Pattern: mysqltest.Range},
	{Schema: "shop", Name: "carts", Rows: 160_000, RowBytes: 180, DeletePercent: 75},
	{Schema: "shop", Name: "customers", Rows: 60_000, RowBytes: 200, Pattern: mysqltest.None},
	{Schema: "crm", Name: "contacts", Rows: 120_000, RowBytes: 180, DeletePercent: 60},
}

// world is everything the demo started.
type world struct {
	o       Options
	dir     string
	cluster *mysqltest.Cluster
	chat    *sandbox.Server
	client  *sandbox.Client
	before  []record // of every server, before there was a bot
	bot     *bot
}

// open boots the cluster, fills it, opens the chat and starts the bot. The caller closes the world
// even when open answers an error.
func open(ctx context.Context, o Options) (*world, error) {
	w := &world{o: o}
	dir, err := os.MkdirTemp("", "recycler-demo-")
	if err != nil {
		return w, err
	}
	w.dir = dir
	if err := w.bootCluster(ctx); err != nil {
		return w, err
	}
	if err := w.openChat(ctx); err != nil {
		return w, err
	}
	if err := w.writeConfig(); err != nil {
		return w, err
	}
	if w.before, err = w.readAll(ctx); err != nil {
		return w, err
	}
	w.bot = &bot{binary: o.Binary, config: w.configPath(), log: filepath.Join(dir, "bot.log")}
	return w, w.startBot(ctx)
}

func (w *world) bootCluster(ctx context.Context) error {
	start := time.Now()
	w.say("Booting one primary, two replicas and a replica of the second one (%s) …", w.flavor())
	c, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: w.flavor(), Shape: "demo", GeneralLog: true})
	if err != nil {
		return fmt.Errorf("boot the cluster: %w", err)
	}
	w.cluster = c
	if err := c.CreateRecycler(ctx, account, password); err != nil {
		return err
	}
	w.say("Filling six tables and deleting most of their rows …")
	if err := mysqltest.Fill(ctx, c.Nodes[0], tables...); err != nil {
		return err
	}
	if err := c.WaitReplicated(ctx); err != nil {
		return err
	}
	if err := c.WaitPurged(ctx); err != nil {
		return err
	}
	w.say("%s %s is up, replicating and fragmented after %.0f s.", w.flavor(), c.Version, time.Since(start).Seconds())
	return nil
}

func (w *world) flavor() mysqltest.Flavor {
	if w.o.Flavor == "" {
		return mysqltest.MariaDB
	}
	return mysqltest.Flavor(w.o.Flavor)
}

// openChat starts the workspace. Everybody in it reads English here but carol.
func (w *world) openChat(ctx context.Context) error {
	ws := sandbox.DefaultWorkspace()
	for i := range ws.Users {
		ws.Users[i].Locale = "en-US"
		if ws.Users[i].Name == "carol" {
			ws.Users[i].Locale = "zh-CN"
		}
	}
	s, err := sandbox.Start(ctx, sandbox.Config{Addr: w.o.Listen, Workspace: ws, EnforceRates: true})
	if err != nil {
		return fmt.Errorf("start the chat: %w", err)
	}
	w.chat, w.client = s, &sandbox.Client{BaseURL: s.URL()}
	return nil
}

func (w *world) configPath() string { return filepath.Join(w.dir, "recycler.yaml") }

// writeConfig writes the bot's configuration as a team would, secrets in files of their own.
func (w *world) writeConfig() error {
	ws := sandbox.DefaultWorkspace()
	secrets := map[string]string{"bot-token": ws.BotToken, "app-token": ws.AppToken, "db-password": password}
	for name, text := range secrets {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	hosts := ""
	for i, n := range w.cluster.Nodes {
		hosts += fmt.Sprintf("      - {name: %s, addr: \"%s\"}\n", names[i], n.Addr())
	}
	text := fmt.Sprintf(configText, w.chat.URL(), filepath.Join(w.dir, "state.db"), clusterName, channel, hosts, account)
	return os.WriteFile(w.configPath(), []byte(text), 0o600)
}

const configText = `slack:
  bot_token_file: bot-token
  app_token_file: app-token
  api_url: %s/api/
storage: {url: "sqlite://%s"}
log: {level: info, format: console}
approvals:
  approvers: {groups: [S0DBA]}
engine: {progress_interval: 1s}
clusters:
  - name: %s
    environment: production
    channel: %s
    hosts:
%s    mysql: {user: %s, password_file: db-password, tls: {mode: disabled}}
    rebuild: {min_gain: 4MiB, min_share: 0.10}
    limits: {disk_free: 0}
`

func (w *world) startBot(ctx context.Context) error {
	if err := w.bot.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := w.bot.beside(ctx, func(ctx context.Context) error { return w.client.WaitSockets(ctx, 2) })
	if err != nil {
		return fmt.Errorf("the bot did not connect: %w\n%s", err, w.bot.tail())
	}
	return nil
}

// close ends everything, whatever of it was started.
func (w *world) close() error {
	var errs []error
	if w.bot != nil {
		errs = append(errs, w.bot.stop())
	}
	if w.chat != nil {
		errs = append(errs, w.chat.Close())
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.Stop())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

func (w *world) say(format string, args ...any) {
	_, _ = fmt.Fprintf(w.o.Out, format+"\n", args...)
}
