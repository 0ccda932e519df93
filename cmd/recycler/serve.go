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
		Long: "Connects to Slack over Socket Mode, takes commands and runs approved work until SIGTERM or Ctrl-C.\nA rebuild that runs on a server at that moment goes on there and is adopted at the next start.",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			cfg, t, err := loadNode(path, roles, regions)
			if err != nil {
				return err
			}
			log, err := newLogger(cfg.Log)
			if err != nil {
				return err
			}
			a, err := newApp(c.Context(), cfg, t, log)
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

// newLogger writes to standard error.
func newLogger(c configs.Log) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, err
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
	return z.Build()
}
