package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mysql-recycler/bot"
	"mysql-recycler/bot/api"
)

// callsServer is what every command that calls a server says of itself.
const callsServer = "Calls a running server. Exit codes: 0 done; 1 something went wrong here; 2 the command line is wrong;\n" +
	"3 the server refused the call; 4 no server answered; 5 the watched job ended, but not well."

// spoken is a command that is typed in a shell with the words and flags of the chat.
type spoken struct {
	verb bot.Verb
	head []string        // words before the arguments
	bare map[string]bool // the flags, and whether they take no value
}

// chatFlags gives c the flags that the chat's verb has, by the names and words of its help. Their
// values are read by the grammar of the chat and nowhere else. What is named in without is left out.
func chatFlags(c *cobra.Command, verb bot.Verb, without ...string) *spoken {
	s := &spoken{verb: verb, bare: map[string]bool{}}
	left := strings.Join(without, " ") + " "
	for _, f := range bot.Flags(verb) {
		switch {
		case strings.Contains(left, f.Name+" "):
		case f.Bare:
			c.Flags().Bool(f.Name, false, f.Help)
			s.bare[f.Name] = true
		default:
			c.Flags().StringArray(f.Name, nil, f.Help+"; for example `"+f.Example+"`")
			s.bare[f.Name] = false
		}
	}
	return s
}

// flags are those that were given, as the grammar takes them.
func (s *spoken) flags(c *cobra.Command) map[string][]string {
	set := map[string][]string{}
	for name, bare := range s.bare {
		f := c.Flags().Lookup(name)
		switch {
		case !f.Changed:
		case !bare:
			set[name], _ = c.Flags().GetStringArray(name) // it is one
		case f.Value.String() == "true":
			set[name] = nil
		}
	}
	return set
}

// line writes the command as the chat would have it, and refuses what its grammar does before
// anything is called.
func (s *spoken) line(c *cobra.Command, args []string) (string, error) {
	text := bot.Spell(append(append([]string{string(s.verb)}, s.head...), args...), s.flags(c))
	if _, err := bot.Parse(text); err != nil {
		return "", &usageError{err}
	}
	return text, nil
}

func discoverCommand() *cobra.Command {
	r, d := &remote{}, &direct{}
	c := &cobra.Command{
		Use: "discover HOST|CLUSTER", Short: "Ask for a look at a cluster's topology and a host's fragmented tables", Args: usageArgs(cobra.ExactArgs(1)),
		Long: callsServer + "\n\nMakes the request in the name of the person the token stands for. A second person approves it, as in the\nchat, unless approvals.discovery is none.\n\n" + directDiscover,
	}
	s := chatFlags(c, bot.VerbDiscover)
	c.RunE = func(c *cobra.Command, args []string) error {
		line, err := s.line(c, args)
		if err != nil {
			return err
		}
		if d.on {
			return d.discover(c, r, args[0], line)
		}
		return ask(c, r, line)
	}
	d.add(c)
	return remoteCommand(c, r)
}

func planCommand() *cobra.Command {
	r, d := &remote{}, &direct{}
	c := &cobra.Command{
		Use: "plan HOST|CLUSTER [TABLE…]", Short: "Show what run would do; asks nobody and touches no host", Args: usageArgs(cobra.MinimumNArgs(1)),
		Long: callsServer + "\n\nThe plan is made from the newest approved discovery. Flags and their values are those of the chat.\n\n" + directPlan,
	}
	s := chatFlags(c, bot.VerbPlan)
	c.RunE = func(c *cobra.Command, args []string) error {
		line, err := s.line(c, args)
		if err != nil {
			return err
		}
		if d.on {
			return d.plan(c, r, line)
		}
		return preview(c, r, line)
	}
	d.add(c)
	return remoteCommand(c, r)
}

func runCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use: "run HOST|CLUSTER [TABLE…]", Short: "Ask for a rebuild of fragmented tables; a second person approves it", Args: usageArgs(cobra.MinimumNArgs(1)),
		Long: callsServer + "\n\nMakes the request in the name of the person the token stands for; its card is in the cluster's channel.\nNothing runs before somebody else approved. Flags and their values are those of the chat; --break-glass\nis asked there, where its form is.",
	}
	s := chatFlags(c, bot.VerbRun, "break-glass", "dry-run")
	dry := c.Flags().Bool("dry-run", false, "show the plan, ask nobody: what recycler plan does")
	c.RunE = func(c *cobra.Command, args []string) error {
		line, err := s.line(c, args)
		if err != nil {
			return err
		}
		if *dry {
			return preview(c, r, string(bot.VerbPlan)+strings.TrimPrefix(line, string(bot.VerbRun)))
		}
		return ask(c, r, line)
	}
	return remoteCommand(c, r)
}

// ask makes a request and prints it.
func ask(c *cobra.Command, r *remote, line string) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	return askFor(c, r, client, line)
}

func askFor(c *cobra.Command, r *remote, client *api.Client, line string) error {
	q, err := client.Ask(c.Context(), line)
	if err != nil {
		return err
	}
	return r.print(c.OutOrStdout(), q, requestTable(q, colours(c.OutOrStdout())))
}

// preview prints the plan that a server would freeze.
func preview(c *cobra.Command, r *remote, line string) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	p, err := client.Preview(c.Context(), line)
	if err != nil {
		return err
	}
	return r.print(c.OutOrStdout(), p, planTable(p))
}

// planTable is a plan as people read it.
func planTable(p api.PlannedView) func(io.Writer) {
	return func(w io.Writer) {
		row(w, "cluster", p.Cluster)
		row(w, "plan", totals(p.PlanView))
		row(w, "seen", stamp(p.Snapshot))
		for _, l := range p.Left {
			row(w, "left out", l.Host+": "+l.Reason)
		}
		row(w)
		stepRows(w, p.Steps, p.LeftTables)
	}
}

// stepRows is a plan table by table, and what it leaves alone.
func stepRows(w io.Writer, steps []api.PlannedStepView, left []api.LeftTableView) {
	row(w, "HOST", "TABLE", "BYTES", "PREDICTED", "GAIN", "METHOD", "ABOUT", "WHY")
	for _, s := range steps {
		why := s.Reason
		if s.Note != "" {
			why += "; predicted: " + s.Note
		}
		row(w, s.Host, s.Table, size(s.Bytes), predicted(s.Predicted), size(s.Bytes-s.PredictedBytes), s.Method, seconds(s.EstimateSeconds), why)
	}
	for _, t := range left {
		row(w, t.Host, t.Table, size(t.Bytes), "", "", "leave", "", t.Reason)
	}
}

// predicted is a size with its range and the way it was found.
func predicted(p api.Predicted) string {
	return fmt.Sprintf("%s (%s to %s, %s)", size(p.PredictedBytes), size(p.Low), size(p.High), p.How)
}

func tablesCommand() *cobra.Command {
	r := &remote{}
	var limit int
	c := &cobra.Command{
		Use: "tables [CLUSTER]", Short: "List the tables with the most bytes to give back, from the newest discoveries", Args: usageArgs(cobra.MaximumNArgs(1)),
		Long: callsServer,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			cluster := strings.Join(args, "")
			rows := []api.TableView{}
			for next := 0; len(rows) < limit; {
				page, err := client.Tables(c.Context(), cluster, next, min(limit-len(rows), 1000))
				if err != nil {
					return err
				}
				if rows, next = append(rows, page.Items...), page.Next; next == 0 {
					break
				}
			}
			return r.print(c.OutOrStdout(), rows, func(w io.Writer) {
				row(w, "CLUSTER", "HOST", "TABLE", "BYTES", "PREDICTED", "GAIN", "SHARE", "METHOD", "SEEN")
				for _, t := range rows {
					row(w, t.Cluster, t.Host, t.Table, size(t.Bytes), predicted(t.Predicted), size(t.GainBytes), fmt.Sprintf("%.0f %%", 100*float64(t.GainBytes)/float64(max(t.Bytes, 1))), t.Method, stamp(t.Seen))
				}
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "how many at most")
	return remoteCommand(c, r)
}
