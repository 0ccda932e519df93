package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"mysql-recycler/configs"
)

func regionsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "regions", Short: "Pause and resume the work of a region",
		Long: "Works on the database of the configuration. In a paused region no job starts; running ones go on.\nIt stays paused, also over restarts, until resume. recycler nodes list shows what is paused. The\nqueue of clusters without a region is called -.",
	}
	c.AddCommand(regionChange("pause", "takes no work"), regionChange("resume", "takes work"))
	return c
}

// regionChange is one of the two subcommands.
func regionChange(verb, means string) *cobra.Command {
	var path, reason string
	c := &cobra.Command{
		Use: verb + " REGION", Short: fmt.Sprintf("From now on the region %s", means), Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := configs.Load(path, os.Environ())
			if err != nil {
				return &usageError{err}
			}
			region := args[0]
			if !slices.ContainsFunc(cfg.Clusters, func(cl configs.Cluster) bool { return shownRegion(cl.Region) == region }) {
				return &usageError{fmt.Errorf("no cluster of the configuration is in the region %q", region)}
			}
			return withFleet(c.Context(), path, func(f fleetOf) error {
				news, err := f.holdRegion(c.Context(), region, operator(), reason, verb == "pause")
				if err != nil {
					return err
				}
				was := "now"
				if !news {
					was = "already"
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "region %s %s, %s\n", args[0], means, was)
				return err
			})
		},
	}
	configFlag(c, &path)
	if verb == "pause" {
		c.Flags().StringVar(&reason, "reason", "", "why, for who looks at the list")
	}
	return c
}
