package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"mysql-recycler/configs"
)

func serveCommand() *cobra.Command {
	var path string
	var roles, regions []string
	c := &cobra.Command{
		Use: "serve", Short: "Run the bot and its workers", Args: cobra.NoArgs,
		Long: "Connects to Slack over Socket Mode, takes commands and runs approved work until SIGTERM or Ctrl-C.\nA rebuild that runs on a server at that moment goes on there and is adopted at the next start.\nA changed configuration is taken while it runs: when the file changes, and on SIGHUP.",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			src := source{path: path, opts: []configs.Option{configs.WithNode(roles, regions)}}
			first, err := src.load()
			if err != nil {
				return err
			}
			log, level, err := newLogger(first.config.Log)
			if err != nil {
				return err
			}
			a, err := newApp(c.Context(), src, first, log, level)
			if err != nil {
				return fmt.Errorf("start: %w", err)
			}
			defer func() { err = errors.Join(err, a.close()) }()
			return a.run(c.Context())
		},
	}
	configFlag(c, &path)
	c.Flags().StringSliceVar(&roles, "roles", nil, "what this process does: bot, worker, api (default node.roles: all)")
	c.Flags().StringSliceVar(&regions, "regions", nil, "regions whose servers this worker reaches (default node.regions: all)")
	return c
}

// newLogger writes to standard error; its level can be changed.
func newLogger(c configs.Log) (*zap.Logger, zap.AtomicLevel, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, zap.AtomicLevel{}, err
	}
	z := zap.NewProductionConfig()
	z.Level = zap.NewAtomicLevelAt(level)
	z.Sampling = nil // every line of a tool that rebuilds tables is worth keeping
	z.EncoderConfig.TimeKey = "time"
	z.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	if c.Format == "console" {
		z.Encoding = "console"
		z.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
	}
	log, err := z.Build()
	return log, z.Level, err
}
