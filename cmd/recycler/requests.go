package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mysql-recycler/bot"
	"mysql-recycler/bot/api"
)

func requestsCommand() *cobra.Command {
	r := &remote{}
	return remoteCommand(&cobra.Command{
		Use: "requests", Short: "Look at requests of a running server, decide them, retry what they left undone",
		Long: callsServer,
	}, r, requestsListCommand(r), requestsShowCommand(r), requestsRetryCommand(r), requestsWithdrawCommand(r),
		requestsReviewCommand(r, "approve", "approve", "Approve a request of somebody else"),
		requestsReviewCommand(r, "deny", "deny", "Deny a request of somebody else, with a reason"))
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
			return r.print(c.OutOrStdout(), q, requestTable(q, colours(c.OutOrStdout())))
		},
	}
}

// requestTable is one request as people read it.
func requestTable(q api.RequestView, p paint) func(io.Writer) {
	return func(w io.Writer) {
		row(w, "request", q.ID)
		row(w, "state", p.state(q.State))
		row(w, "command", q.Command)
		row(w, "target", q.Target+" ("+q.Cluster+")")
		row(w, "by", or(q.Requester.Name, q.Requester.ID))
		row(w, "created", stamp(q.Created))
		row(w, "expires", stamp(q.Expires))
		row(w, "digest", q.Digest)
		if q.Plan != nil {
			row(w, "plan", totals(*q.Plan))
		}
		for _, v := range q.Reviews {
			row(w, v.Decision, or(v.Reviewer.Name, v.Reviewer.ID)+" at "+stamp(v.At)+" "+v.Comment)
		}
		for _, j := range q.Jobs {
			row(w, "job", j)
		}
		if q.Plan != nil && len(q.Tables) > 0 {
			row(w)
			stepRows(w, q.Tables, q.Plan.LeftTables)
		}
	}
}

// totals is a plan in one line.
func totals(p api.PlanView) string {
	return fmt.Sprintf("%d tables, %s, should give back %s in about %s (%s)", p.Tables, size(p.Bytes), size(p.GainBytes), seconds(p.EstimateSeconds), p.Mode)
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
			return askFor(c, r, client, bot.Spell([]string{string(bot.VerbRetry), args[0]}, nil))
		},
	}
}

func requestsReviewCommand(r *remote, verb, decision, short string) *cobra.Command {
	var digest, reason string
	c := &cobra.Command{
		Use: verb + " REQUEST", Short: short, Args: usageArgs(cobra.ExactArgs(1)),
		Long: "Decides in the name of the person the token stands for, by the rules of the chat: an approver of the\ncluster, never the requester. --digest is what recycler requests show printed, at least its first 8\ndigits: what was looked at is what is decided.",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			if len(digest) < minDigest {
				return &usageError{fmt.Errorf("--digest: the first %d digits at least, as recycler requests show %s prints it", minDigest, args[0])}
			}
			q, err := client.Review(c.Context(), args[0], digest, decision, reason)
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), q, requestTable(q, colours(c.OutOrStdout())))
		},
	}
	c.Flags().StringVar(&digest, "digest", "", "digest of the request that was looked at")
	c.Flags().StringVar(&reason, "reason", "", "why, for the thread; a denial needs one")
	return c
}

// minDigest is how much of a digest names what was looked at.
const minDigest = 8

func requestsWithdrawCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "withdraw REQUEST", Short: "Take a request of yours back that nobody has decided", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			q, err := client.Withdraw(c.Context(), args[0])
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), q, requestTable(q, colours(c.OutOrStdout())))
		},
	}
}
