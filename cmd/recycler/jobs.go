package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mysql-recycler/bot"
	"mysql-recycler/bot/api"
)

func jobsCommand() *cobra.Command {
	r := &remote{}
	return remoteCommand(&cobra.Command{
		Use: "jobs", Short: "Look at jobs of a running server, pause, resume, cancel and retry them, skip a table",
		Long: callsServer,
	}, r, jobsListCommand(r), jobsShowCommand(r), jobsWatchCommand(r),
		jobsWantCommand(r, "pause", "Pause after the running table, or with --now at once"),
		jobsWantCommand(r, "resume", "Go on after a pause"),
		jobsWantCommand(r, "cancel", "End a job; the running statement is killed. Of an ended one: end the wait of its run for a switchover"), jobsSkipCommand(r), jobsRetryCommand(r))
}

func jobsListCommand(r *remote) *cobra.Command {
	var f api.Filter
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List jobs, newest first", Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			jobs, err := pages(c.Context(), limit, func(ctx context.Context, cursor string, n int) ([]api.JobView, string, error) {
				l, err := client.Jobs(ctx, api.Page{Filter: f, Cursor: cursor, Limit: n})
				return l.Items, l.NextCursor, err
			})
			if err != nil {
				return err
			}
			p := colours(c.OutOrStdout())
			return r.print(c.OutOrStdout(), jobs, func(w io.Writer) {
				row(w, "ID", "KIND", "HOST", p.state("STATE"), "TABLES", "FREED", "STARTED")
				for _, j := range jobs {
					row(w, j.ID, j.Kind, j.Host, p.state(j.State), tablesOf(j), size(j.FreedBytes), stampOf(j.Times.Started))
				}
			})
		},
	}
	c.Flags().StringVar(&f.State, "state", "", "only jobs in this state")
	c.Flags().StringVar(&f.Cluster, "cluster", "", "only jobs of this cluster")
	c.Flags().StringVar(&f.Host, "host", "", "only jobs on this host")
	c.Flags().StringVar(&f.Request, "request", "", "only jobs of this request")
	c.Flags().IntVar(&limit, "limit", 50, "how many at most")
	return c
}

func jobsShowCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "Show one job with its tables", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			j, err := client.Job(c.Context(), args[0])
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), j, jobTable(j, colours(c.OutOrStdout())))
		},
	}
}

// jobTable is one job as people read it.
func jobTable(j api.JobView, p paint) func(io.Writer) {
	return func(w io.Writer) {
		row(w, "job", j.ID)
		row(w, "request", j.Request)
		row(w, "kind", j.Kind)
		row(w, "host", j.Host+" ("+j.Cluster+")")
		row(w, "state", p.state(j.State))
		if j.Wanted != "run" {
			row(w, "wanted", j.Wanted)
		}
		if j.Reason != "" {
			row(w, "reason", j.Reason)
		}
		row(w, "tables", tablesOf(j))
		row(w, "freed", size(j.FreedBytes))
		row(w, "created", stampOf(j.Times.Created))
		row(w, "started", stampOf(j.Times.Started))
		row(w, "ended", stampOf(j.Times.Ended))
		for _, p := range j.Progress {
			row(w, "now", progressOf(p))
		}
		for _, s := range j.PendingReset {
			row(w, "to restore", s)
		}
		if len(j.Steps) == 0 {
			return
		}
		row(w)
		row(w, "#", "TABLE", p.state("STATE"), "BEFORE", "AFTER", "PREDICTED", "TOOK", "REASON")
		for _, s := range j.Steps {
			before, after, took := size(s.PlannedBytes), "-", "-"
			if s.State == "done" {
				before, after, took = size(s.BeforeBytes), size(s.AfterBytes), seconds(s.TookSeconds)
			}
			row(w, strconv.Itoa(s.Seq), s.Table, p.state(s.State), before, after, size(s.PredictedBytes), took, s.Reason)
		}
	}
}

func jobsWantCommand(r *remote, verb, short string) *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use: verb + " JOB", Short: short, Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			j, err := client.Want(c.Context(), args[0], verb, now)
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), j, func(w io.Writer) {
				if verb == "cancel" && j.Wanted != verb { // it had ended: there was a campaign
					row(w, fmt.Sprintf("%s is %s, its run does not wait for a switchover any longer", j.ID, j.State))
					return
				}
				row(w, fmt.Sprintf("%s is %s, wanted: %s", j.ID, j.State, j.Wanted))
			})
		},
	}
	if verb == "pause" {
		c.Flags().BoolVar(&now, "now", false, "stop the running table; it is rebuilt again later")
	}
	return c
}

func jobsSkipCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "skip JOB SCHEMA.TABLE", Short: "Leave a table alone; its running statement is killed", Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			j, err := client.Skip(c.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), j, func(w io.Writer) {
				row(w, fmt.Sprintf("%s leaves %s alone", j.ID, args[1]))
			})
		},
	}
}

func jobsWatchCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "watch JOB", Short: "Follow a job until it ends", Args: usageArgs(cobra.ExactArgs(1)),
		Long: "Prints one line per event as it happens, and on a terminal the progress of the running table.\nWith --output json each event is one line of JSON. Ends with the job: exit code 0 when it\nsucceeded, 5 when not.",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			return newWatch(r, client, args[0], c.OutOrStdout()).run(c.Context())
		},
	}
}

func jobsRetryCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "retry JOB", Short: "Ask for the tables that the request of an ended job left undone", Args: usageArgs(cobra.ExactArgs(1)),
		Long: "Does what recycler requests retry does for the request that the job belongs to.",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			j, err := client.Job(c.Context(), args[0])
			if err != nil {
				return err
			}
			return askFor(c, r, client, bot.Spell([]string{string(bot.VerbRetry), j.Request}, nil))
		},
	}
}

func tablesOf(j api.JobView) string {
	if j.Kind != "recycle" {
		return "-"
	}
	return fmt.Sprintf("%d/%d", j.TablesEnded, j.Tables)
}

func stampOf(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return stamp(*t)
}

// seconds is a length of time to the second, or in milliseconds when it is short.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// size is a number of bytes in binary units, as everywhere in the product.
func size(n int64) string {
	sign, f, units := "", float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	if n < 0 {
		sign, f = "-", -f
	}
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 || f >= 100 {
		return fmt.Sprintf("%s%.0f %s", sign, f, units[i])
	}
	return fmt.Sprintf("%s%.1f %s", sign, f, units[i])
}

// progressOf is the running table in one line.
func progressOf(p api.ProgressView) string {
	s := fmt.Sprintf("%s %s %3.0f %%", p.Table, p.Phase, p.Fraction*100)
	if p.BytesPerSecond > 0 {
		s += "  " + size(int64(p.BytesPerSecond)) + "/s"
	}
	if p.EtaSeconds > 0 {
		s += "  about " + seconds(p.EtaSeconds) + " left"
	}
	return s
}
