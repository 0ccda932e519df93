package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"mysql-recycler/bot/api"
)

// Exit codes of commands that call a server.
const (
	exitRefused     = 3 // the server refused the call
	exitUnreachable = 4 // no server answered
	exitNotDone     = 5 // a watched job ended, but not well
)

// remote is how a command reaches a server and prints what it says.
type remote struct {
	server    string
	tokenFile string
	caFile    string
	insecure  bool
	output    string
}

// remoteCommand gives a command and its subcommands the flags of remote.
func remoteCommand(c *cobra.Command, r *remote, subs ...*cobra.Command) *cobra.Command {
	f := c.PersistentFlags()
	f.StringVar(&r.server, "server", or(os.Getenv("RECYCLER_SERVER"), "http://127.0.0.1:8080"), "address of the server; also RECYCLER_SERVER")
	f.StringVar(&r.tokenFile, "token-file", os.Getenv("RECYCLER_TOKEN_FILE"), "file that holds the token; also RECYCLER_TOKEN_FILE")
	f.StringVar(&r.caFile, "ca-file", "", "PEM file of authorities to trust instead of the system's")
	f.BoolVar(&r.insecure, "insecure", false, "send the token to another machine without TLS")
	f.StringVarP(&r.output, "output", "o", "table", "table, json or yaml")
	c.AddCommand(subs...)
	return c
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// known refuses an output nobody can write.
func (r *remote) known() error {
	if r.output != "table" && r.output != "json" && r.output != "yaml" {
		return &usageError{fmt.Errorf("--output: %q is unknown; write table, json or yaml", r.output)}
	}
	return nil
}

// client reads the token and prepares the calls.
func (r *remote) client() (*api.Client, error) {
	if err := r.known(); err != nil {
		return nil, err
	}
	if r.tokenFile == "" {
		return nil, &usageError{errors.New("--token-file is missing: the file that holds the token")}
	}
	b, err := os.ReadFile(r.tokenFile)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--token-file: %w", err)}
	}
	o := api.ClientOptions{Server: r.server, Token: strings.TrimSpace(string(b)), Insecure: r.insecure}
	if strings.ContainsAny(o.Token, " \r\n\t") || o.Token == "" {
		return nil, &usageError{errors.New("--token-file: the file must hold one token and nothing else")}
	}
	if r.caFile != "" {
		pem, err := os.ReadFile(r.caFile)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--ca-file: %w", err)}
		}
		if o.CA = x509.NewCertPool(); !o.CA.AppendCertsFromPEM(pem) {
			return nil, &usageError{errors.New("--ca-file: there is no certificate in it")}
		}
	}
	c, err := api.NewClient(o)
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// print writes v as it was asked for. JSON is what the API says, so that scripts have one shape to
// know; YAML is the same keys.
func (r *remote) print(out io.Writer, v any, table func(io.Writer)) error {
	switch r.output {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		var node yaml.Node // a node keeps the order of keys and big numbers as they are
		if err := yaml.Unmarshal(b, &node); err != nil {
			return err
		}
		block(&node)
		e := yaml.NewEncoder(out)
		e.SetIndent(2)
		return errors.Join(e.Encode(&node), e.Close())
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// block turns what was JSON into YAML as people write it.
func block(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		block(c)
	}
}

// row writes the cells of one line.
func row(w io.Writer, cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) }

// paint colours a word where people look at a terminal and want colours. The word says everything;
// the colour only helps to find it.
type paint bool

// colours reports whether an output is a terminal and nobody said no (https://no-color.org).
func colours(out io.Writer) paint {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	return paint(terminal(f))
}

// terminal reports whether a file is a terminal.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

func (p paint) state(s string) string {
	if !p {
		return s
	}
	colour := map[string]string{"running": "36", "succeeded": "32", "done": "32", "approved": "32", "failed": "31", "refused": "31",
		"unknown": "31", "denied": "31", "paused": "33", "pending": "33"}[s]
	if colour == "" {
		colour = "39" // every cell as long as the others, so that columns stay straight
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	var u *usageError
	var refused *api.Refusal
	var silent *api.Unreachable
	var bad *endedBadly
	switch {
	case errors.As(err, &u):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &silent):
		return exitUnreachable
	case errors.As(err, &bad):
		return exitNotDone
	}
	return exitFailed
}

// endedBadly says that a watched job ended, but not succeeded.
type endedBadly struct{ job api.JobView }

// Error implements error.
func (e *endedBadly) Error() string { return "job " + e.job.ID + " " + e.job.State }

// Sentence is what a person reads.
func (e *endedBadly) Sentence() string {
	s := e.job.ID + " ended " + e.job.State + "."
	if e.job.Reason != "" {
		s += " " + e.job.Reason
	}
	return s
}

// pages calls next until there are enough rows or no more.
func pages[T any](ctx context.Context, limit int, next func(ctx context.Context, cursor string, limit int) ([]T, string, error)) ([]T, error) {
	rows := []T{}
	for cursor := ""; len(rows) < limit; {
		got, more, err := next(ctx, cursor, min(limit-len(rows), 200))
		if err != nil {
			return nil, err
		}
		if rows = append(rows, got...); more == "" {
			break
		}
		cursor = more
	}
	return rows, nil
}
