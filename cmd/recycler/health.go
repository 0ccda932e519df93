package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"mysql-recycler/bot/api"
	"mysql-recycler/configs"
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
		Long: "Calls the API at api.listen of the configuration, without a token. Exit code 0: it is ready (storage\nanswers, chat is connected); 1: it is not; 4: it does not answer; 2: no API is configured.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := load(path)
			if err != nil {
				return err
			}
			if cfg.API.Listen == "" {
				return &usageError{errors.New("api.listen is not set; the server can only be asked over its API, for example at 127.0.0.1:8080")}
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
