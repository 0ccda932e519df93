package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mysql-recycler/bot/api"
)

func jobsCommand() *cobra.Command {
	r := &remote{}
	return remoteCommand(&cobra.Command{
		Use: "jobs", Short: "Look at jobs of a running server, pause, resume and cancel them, skip a table",
		Long: "Calls a running server. Exit codes: 0 done; 1 something went wrong here; 2 the command line is wrong;\n" +
			"3 the server refused the call; 4 no server answered; 5 the watched job ended, but not well.",
	}, r, jobsListCommand(r), jobsShowCommand(r), jobsWatchCommand(r),
		jobsWantCommand(r, "pause", "Pause after the running table, or with --now at once"),
		jobsWantCommand(r, "resume", "Go on after a pause"),
		jobsWantCommand(r, "cancel", "End a job; the running statement is killed"), jobsSkipCommand(r))
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
		if j.Progress != nil {
			row(w, "now", progressOf(*j.Progress))
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

func requestsCommand() *cobra.Command {
	r := &remote{}
	return remoteCommand(&cobra.Command{
		Use: "requests", Short: "Look at requests of a running server, retry what they left undone",
		Long: "Calls a running server. Exit codes as of recycler jobs.",
	}, r, requestsListCommand(r), requestsShowCommand(r), requestsRetryCommand(r))
}

func requestsListCommand(r *remote) *cobra.Command {
	var f api.Filter
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List requests, newest first", Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			rs, err := pages(c.Context(), limit, func(ctx context.Context, cursor string, n int) ([]api.RequestView, string, error) {
				l, err := client.Requests(ctx, api.Page{Filter: f, Cursor: cursor, Limit: n})
				return l.Items, l.NextCursor, err
			})
			if err != nil {
				return err
			}
			p := colours(c.OutOrStdout())
			return r.print(c.OutOrStdout(), rs, func(w io.Writer) {
				row(w, "ID", "KIND", "TARGET", p.state("STATE"), "BY", "CREATED", "COMMAND")
				for _, q := range rs {
					row(w, q.ID, q.Kind, q.Target, p.state(q.State), or(q.Requester.Name, q.Requester.ID), stamp(q.Created), q.Command)
				}
			})
		},
	}
	c.Flags().StringVar(&f.State, "state", "", "only requests in this state")
	c.Flags().StringVar(&f.Cluster, "cluster", "", "only requests of this cluster")
	c.Flags().StringVar(&f.Host, "target", "", "only requests for this host or cluster")
	c.Flags().StringVar(&f.Requester, "requester", "", "only requests of this chat user id")
	c.Flags().IntVar(&limit, "limit", 50, "how many at most")
	return c
}

func requestsShowCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show REQUEST", Short: "Show one request with its reviews", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			q, err := client.Request(c.Context(), args[0])
			if err != nil {
				return err
			}
			p := colours(c.OutOrStdout())
			return r.print(c.OutOrStdout(), q, func(w io.Writer) {
				row(w, "request", q.ID)
				row(w, "state", p.state(q.State))
				row(w, "command", q.Command)
				row(w, "target", q.Target+" ("+q.Cluster+")")
				row(w, "by", or(q.Requester.Name, q.Requester.ID))
				row(w, "created", stamp(q.Created))
				row(w, "expires", stamp(q.Expires))
				row(w, "digest", q.Digest)
				if q.Plan != nil {
					row(w, "plan", fmt.Sprintf("%d tables, %s, should give back %s in about %s (%s)", q.Plan.Tables, size(q.Plan.Bytes),
						size(q.Plan.GainBytes), seconds(q.Plan.EstimateSeconds), q.Plan.Mode))
				}
				for _, v := range q.Reviews {
					row(w, v.Decision, or(v.Reviewer.Name, v.Reviewer.ID)+" at "+stamp(v.At)+" "+v.Comment)
				}
				for _, j := range q.Jobs {
					row(w, "job", j)
				}
			})
		},
	}
}

func requestsRetryCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "retry REQUEST", Short: "Ask for the tables that an ended request left undone", Args: usageArgs(cobra.ExactArgs(1)),
		Long: "Makes a new request that names the old one: its tables that failed, were refused or never started,\nwith a new plan. Somebody else must approve it, like any other.",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			q, err := client.Ask(c.Context(), "retry "+args[0])
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), q, func(w io.Writer) {
				row(w, fmt.Sprintf("%s is %s", q.ID, q.State))
			})
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
