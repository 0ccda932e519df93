package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"mysql-recycler/bot/api"
	"mysql-recycler/configs"
)

// showCommand prints the effective configuration.
func showCommand() *cobra.Command {
	var path, output string
	c := &cobra.Command{
		Use: "show", Short: "Print every key with its value and where that comes from", Args: usageArgs(cobra.NoArgs),
		Long: "Reads the file and the environment exactly as serve does. Behind each value is its origin: file,\n" +
			"default, an environment variable, or the key it is inherited from. Secrets print as <secret>.\n\n" +
			"yaml is a configuration again; json is a list of path, value and from.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, all, err := configs.Explain(path, os.Environ())
			if err != nil {
				return &usageError{err}
			}
			switch output {
			case "yaml":
				text, err := configs.YAML(cfg, all)
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(text)
				return err
			case "json":
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				e.SetEscapeHTML(false) // <secret> stays readable
				return e.Encode(all)
			}
			return &usageError{fmt.Errorf("--output: %q is unknown; write yaml or json", output)}
		},
	}
	configFlag(c, &path)
	c.Flags().StringVarP(&output, "output", "o", "yaml", "yaml or json")
	return c
}

// diffCommand compares two configurations.
func diffCommand() *cobra.Command {
	var path string
	var r remote
	c := &cobra.Command{
		Use: "diff [OLD NEW]", Short: "Compare the file with the running server, or two files", Args: usageArgs(twoOrNone),
		Long: "Without arguments: what would change if the running server took the file. It is asked over its API\n" +
			"with a token of scope admin, and tells no secrets, so those are not compared.\n" +
			"With two files: what differs between them, secrets included, without showing them.\n" +
			"Keys that count after a restart are marked.",
		RunE: func(c *cobra.Command, args []string) error {
			var old []configs.Setting
			var err error
			if len(args) == 2 {
				old, err = settingsOf(args[0])
				path = args[1]
			}
			if err != nil {
				return err
			}
			now, err := settingsOf(path)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if old, err = r.settings(c); err != nil {
					return err
				}
			}
			changes := append([]configs.Change{}, configs.Diff(old, now)...)
			return r.print(c.OutOrStdout(), changes, func(w io.Writer) { printChanges(w, changes) })
		},
	}
	configFlag(c, &path)
	return remoteCommand(c, &r)
}

func twoOrNone(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return cobra.ExactArgs(2)(c, args)
}

func settingsOf(path string) ([]configs.Setting, error) {
	cfg, _, err := load(path)
	if err != nil {
		return nil, err
	}
	return cfg.Settings(), nil
}

// settings are those of the running server.
func (r *remote) settings(c *cobra.Command) ([]configs.Setting, error) {
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	v, err := client.Config(c.Context())
	if err != nil {
		return nil, err
	}
	var out []configs.Setting
	for _, s := range v.Settings {
		out = append(out, configs.Setting{Path: s.Path, Value: s.Value, Restart: s.Restart})
	}
	return out, nil
}

func printChanges(w io.Writer, changes []configs.Change) {
	for _, c := range changes {
		line := c.String()
		if c.Restart {
			line += " (after a restart)"
		}
		_, _ = fmt.Fprintln(w, line)
	}
	if len(changes) == 0 {
		_, _ = fmt.Fprintln(w, "no difference")
	}
}

// reloadCommand has the running server read its configuration again.
func reloadCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "reload", Short: "Have the running server read its configuration again", Args: usageArgs(cobra.NoArgs),
		Long: "Needs a token of scope admin. One mistake and nothing changes; the server says which, exit code 3.\nA server without an API reloads on SIGHUP and when its file changes.",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			done, err := client.Reload(c.Context())
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), done, func(w io.Writer) { printReloaded(w, done) })
		},
	}
	return remoteCommand(c, &r)
}

func printReloaded(w io.Writer, done api.Reloaded) {
	_, _ = fmt.Fprintf(w, "configuration %s is in force, %d change(s)\n", done.Hash, len(done.Changes))
	for _, c := range done.Changes {
		_, _ = fmt.Fprintln(w, c)
	}
	for _, key := range done.Restart {
		_, _ = fmt.Fprintln(w, key+": takes effect after a restart")
	}
}
