package main

import (
	"os"

	"github.com/spf13/cobra"

	"mysql-recycler/cmd/recycler/demo"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	var once bool
	c := &cobra.Command{
		Use: "demo", Short: "Play the main job on a real throw-away cluster with a chat page", Args: cobra.NoArgs,
		Long: "Boots a real replication cluster in a temporary folder, fills it with fragmented tables, starts a\nsandbox chat with a page to click in, and the bot connected to both. Ends with Ctrl-C.\nWith --once it plays the story itself, prints the transcript and checks it against the servers.",
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out = c.OutOrStdout()
			if once {
				return demo.Play(c.Context(), o)
			}
			return demo.Run(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&once, "once", os.Getenv("ONCE") == "1", "play the story, check it and end")
	c.Flags().StringVar(&o.Flavor, "flavor", "mariadb", "server family: mariadb or mysql")
	c.Flags().DurationVar(&o.Within, "within", demo.DefaultWithin, "with --once: how long the whole story may take")
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "address of the chat page")
	return c
}
