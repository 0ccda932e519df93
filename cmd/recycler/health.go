package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"mysql-recycler/bot/api"
	"mysql-recycler/configs"
	"mysql-recycler/storage"
)

// healthWithin bounds the question.
const healthWithin = 5 * time.Second

// healthCommand asks the process of this machine how it is, for container platforms: an image
// without a shell has nothing else that could ask.
func healthCommand() *cobra.Command {
	var path string
	var live bool
	c := &cobra.Command{
		Use: "health", Short: "Ask the server of this machine whether it is ready; for probes", Args: usageArgs(cobra.NoArgs),
		Long: "Calls the API at api.listen of the configuration, without a token. Exit code 0: it is ready (storage\nanswers, chat is connected); 1: it is not; 4: it does not answer. Without api.listen the server's\nheartbeat in the database is looked at, which tells that it and its storage work, and nothing of the chat.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := load(path)
			if err != nil {
				return err
			}
			if cfg.API.Listen == "" {
				return beating(c.Context(), c.OutOrStdout(), cfg)
			}
			what := "ready"
			if live {
				what = "live"
			}
			if err := healthy(c.Context(), cfg.API, what); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), what)
			return err
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&live, "live", false, "only whether the process works at all")
	return c
}

// beating looks for a fresh heartbeat of a process of this node: all that is known of a server that
// listens nowhere.
func beating(ctx context.Context, out io.Writer, c configs.Config) (err error) {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	db, err := openCurrent(ctx, c.Storage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	nodes, err := storage.NewNodes(db).All(ctx)
	if err != nil {
		return err
	}
	here := memberName(c)
	for _, n := range nodes {
		if n.Name == here && n.Alive {
			_, err := fmt.Fprintln(out, "alive, by its heartbeat in the database; whether chat is connected it tells only with api.listen")
			return err
		}
	}
	return fmt.Errorf("no server of %s has shown itself in the database lately", here)
}

// healthy asks one question. Nothing secret is sent, and who answers is on this machine, so its
// certificate is not looked at.
func healthy(ctx context.Context, c configs.API, what string) error {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	server := scheme + "://" + net.JoinHostPort(host, port)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/api/v1/health/"+what, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return &api.Unreachable{Server: server, Err: err}
	}
	defer func() { _ = res.Body.Close() }() // only its status counts
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not %s: it answered %s", what, res.Status)
	}
	return nil
}
