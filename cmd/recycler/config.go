package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"mysql-recycler/configs"
)

// defaultConfig is where a package or an image puts the configuration.
const defaultConfig = "/etc/recycler/recycler.yaml"

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check, show, compare and reload the configuration"}
	var path string
	check := &cobra.Command{
		Use: "check", Short: "Report every mistake of the configuration", Args: cobra.NoArgs,
		Long: "Reads the file and the environment exactly as serve does and reports every mistake with its path.\nTouches no server. Exit code 2 when there is a mistake.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := load(path)
			if err != nil {
				return err
			}
			hosts := 0
			for _, cl := range cfg.Clusters {
				hosts += len(cl.Hosts)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is good: %d cluster(s), %d host(s)\n", path, len(cfg.Clusters), hosts)
			return err
		},
	}
	configFlag(check, &path)
	c.AddCommand(check, showCommand(), diffCommand(), reloadCommand())
	return c
}

func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", defaultConfig, "configuration file")
}

// load reads the configuration and builds what depends on it; a mistake is the caller's.
func load(path string) (configs.Config, *targets, error) {
	s, err := source{path: path}.load()
	if err != nil {
		return configs.Config{}, nil, err
	}
	return s.config, s.targets, nil
}

// exists reports whether there is something at a path.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
