package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"mysql-recycler/approvals"
	"mysql-recycler/configs"
	"mysql-recycler/storage"
	"mysql-recycler/storage/queue"
)

// beatEvery is how often a process says that it is alive, and learns whether it is held.
const beatEvery = 2 * time.Second

// member is this process in the list of nodes.
type member struct {
	nodes *storage.Nodes
	queue *queue.Queue
	node  storage.Node
	log   *zap.Logger
}

func (a *app) member() *member {
	c := a.conf.Load().config
	n := storage.Node{Process: a.queue.ClientID(), Name: memberName(c), Roles: strings.Join(c.Node.Roles, ","), Program: buildVersion()}
	if c.Node.Has(configs.RoleWorker) {
		var works []string
		for region := range regions(c) {
			works = append(works, shownRegion(region))
		}
		n.Regions = strings.Join(works, ",")
	}
	return &member{nodes: storage.NewNodes(a.db), queue: a.queue, node: n, log: a.log.Named("node")}
}

// memberName is the node's name as configured, else the machine's.
func memberName(c configs.Config) string {
	if c.Node.Name != "" {
		return c.Node.Name
	}
	host, _, _ := strings.Cut(nodeName(), "/")
	return host
}

// shownRegion is the name of a region for people and in holds; clusters may have none.
func shownRegion(region string) string {
	if region == "" {
		return "-"
	}
	return region
}

// beat says that this process is alive and does what a hold says: a held node hands its work over.
func (m *member) beat(ctx context.Context) error {
	m.node.Running = m.queue.Running()
	held, err := m.nodes.Beat(ctx, m.node)
	switch {
	case err != nil:
		return err
	case held:
		return m.queue.Drain(ctx)
	default:
		return m.queue.Undrain(ctx)
	}
}

// run beats until ctx ends, and leaves the list.
func (m *member) run(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
			defer cancel()
			return m.nodes.Leave(end, m.node.Process)
		case <-tick.C:
		}
		if err := m.beat(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("this node did not say that it is alive", zap.Error(err))
		}
	}
}

func nodesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "nodes", Short: "List the processes that share the database; drain one for an upgrade",
		Long: "Works on the database of the configuration. A drained node takes no work and hands over what it\nruns: statements run on at their servers, and another node adopts them. It stays drained, also over\nrestarts, until undrain.",
	}
	c.AddCommand(nodesList(), drainNode(), undrainNode())
	return c
}

func nodesList() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "list", Short: "Print the nodes, and what holds work back", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withFleet(c.Context(), path, func(f fleetOf) error {
				nodes, err := storage.NewNodes(f.db).All(c.Context())
				if err != nil {
					return err
				}
				holds, err := storage.NewHolds(f.db).All(c.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "NODE\tSTATE\tJOBS\tROLES\tREGIONS\tVERSION\tSEEN")
				for _, n := range nodes {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", n.Name, stateOfNode(n, holds), n.Running, n.Roles, n.Regions, n.Program, n.Seen.Format(time.DateTime+" UTC"))
				}
				for _, h := range holds {
					_, _ = fmt.Fprintf(w, "\n%s %s takes no work since %s, by %s. %s", h.Kind, h.Name, h.At.Format(time.DateTime+" UTC"), h.By.Name, h.Reason)
				}
				if len(holds) > 0 {
					_, _ = fmt.Fprintln(w)
				}
				return w.Flush() // what was written is in its buffer until now
			})
		},
	}
	configFlag(c, &path)
	return c
}

// stateOfNode is where a node stands, in a word.
func stateOfNode(n storage.Node, holds []storage.Hold) string {
	state := "up"
	for _, h := range holds {
		if h.Kind == storage.HoldNode && h.Name == n.Name {
			if state = "drained"; n.Running > 0 {
				state = "draining"
			}
		}
	}
	if !n.Alive {
		state = "gone"
	}
	return state
}

func drainNode() *cobra.Command {
	var path, reason string
	var wait time.Duration
	c := &cobra.Command{
		Use: "drain NODE", Short: "Let a node take no work and hand over what it runs", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withFleet(c.Context(), path, func(f fleetOf) error {
				known, err := aliveNode(c.Context(), f.db, args[0])
				if err != nil {
					return err
				}
				if !known {
					return fmt.Errorf("no node %s is alive; recycler nodes list shows them", args[0])
				}
				h := storage.Hold{Kind: storage.HoldNode, Name: args[0], By: operator(), Reason: reason}
				if _, err := holdNode(c.Context(), f.db, h, true); err != nil {
					return err
				}
				if err := drained(c.Context(), f.db, args[0], wait); err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s is drained: nothing runs on it; it can be stopped\n", args[0])
				return err
			})
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&reason, "reason", "", "why, for who looks at the list")
	c.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait until nothing runs on it")
	return c
}

// aliveNode reports whether a node of that name is alive.
func aliveNode(ctx context.Context, db *storage.DB, name string) (bool, error) {
	nodes, err := storage.NewNodes(db).All(ctx)
	for _, n := range nodes {
		if n.Name == name && n.Alive {
			return true, err
		}
	}
	return false, err
}

// drained waits until a node that is held has said twice that nothing runs on it: the first word may
// be older than the hold.
func drained(ctx context.Context, db *storage.DB, name string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(beatEvery / 4)
	defer tick.Stop()
	said := map[string]map[time.Time]bool{}
	for {
		nodes, err := storage.NewNodes(db).All(ctx)
		if err != nil {
			return err
		}
		done := true
		for _, n := range nodes {
			if n.Name != name || !n.Alive {
				continue
			}
			if n.Running > 0 || said[n.Process] == nil {
				said[n.Process] = map[time.Time]bool{}
			}
			said[n.Process][n.Seen] = true
			done = done && n.Running == 0 && len(said[n.Process]) > 2
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s takes no work any more, but still runs some after %s: recycler nodes list shows it", name, wait)
		case <-tick.C:
		}
	}
}

func undrainNode() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "undrain NODE", Short: "Let a node take work again", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withFleet(c.Context(), path, func(f fleetOf) error {
				news, err := holdNode(c.Context(), f.db, storage.Hold{Kind: storage.HoldNode, Name: args[0], By: operator()}, false)
				if err == nil && !news {
					err = fmt.Errorf("%s is not drained", args[0])
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s takes work again\n", args[0])
				return err
			})
		},
	}
	configFlag(c, &path)
	return c
}

// operator is who runs a command on the machine.
func operator() approvals.Actor { return approvals.Actor{ID: "os:" + systemUser(), Name: systemUser()} }

// withFleet opens the database of a configuration, with a queue that works nothing.
func withFleet(ctx context.Context, path string, f func(fleetOf) error) error {
	return withDB(ctx, path, func(db *storage.DB) error {
		q, err := queue.New(db, nil, queue.Options{}, zap.NewNop())
		if err != nil {
			return err
		}
		return f(fleetOf{db: db, queue: q})
	})
}
