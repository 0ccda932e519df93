package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"mysql-recycler/configs"
	"mysql-recycler/engine"
	"mysql-recycler/engine/guard"
	"mysql-recycler/engine/topology"
	"mysql-recycler/storage"
)

func topologyCommand() *cobra.Command {
	var path, format string
	c := &cobra.Command{
		Use: "topology CLUSTER|HOST", Short: "Print the newest stored topology of a cluster", Args: cobra.ExactArgs(1),
		Long: "Reads what the newest discovery found and touches no host. While the database does not answer, the last\nsnapshot on disk is printed; how old it is goes to standard error.",
		RunE: func(c *cobra.Command, args []string) error {
			if drawings[format] == nil {
				return &usageError{fmt.Errorf("--format: %q is unknown; write tree, json, dot or png", format)}
			}
			cfg, t, err := load(path)
			if err != nil {
				return err
			}
			target, err := t.Find(args[0])
			if err != nil {
				return err
			}
			d, err := lastSeen(c.Context(), cfg, target.Cluster)
			if errors.Is(err, engine.ErrNotFound) {
				return &engine.Problem{Code: "no_snapshot", Text: "There is no approved discovery of " + target.Cluster + " yet.",
					Next: "Ask for one in its channel: discover " + args[0], Err: err}
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.ErrOrStderr(), "%s as seen %s, %s ago\n", d.Cluster, d.At.UTC().Format("2006-01-02 15:04:05 UTC"),
				time.Since(d.At).Round(time.Second))
			return errors.Join(err, drawings[format](c.OutOrStdout(), d.Topology))
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&format, "format", "tree", "tree, json, dot (Graphviz) or png")
	return c
}

// drawings are the forms a topology is printed in.
var drawings = map[string]func(io.Writer, topology.Topology) error{
	"tree": func(w io.Writer, t topology.Topology) error { _, err := io.WriteString(w, t.Tree()); return err },
	"dot":  func(w io.Writer, t topology.Topology) error { _, err := io.WriteString(w, t.DOT()); return err },
	"json": func(w io.Writer, t topology.Topology) error { return write(w)(t.JSON()) },
	"png":  func(w io.Writer, t topology.Topology) error { return write(w)(t.PNG()) },
}

func write(to io.Writer) func([]byte, error) error {
	return func(b []byte, err error) error {
		if err == nil {
			_, err = to.Write(b)
		}
		return err
	}
}

// lastSeen is the newest discovery of a cluster: of the database, or of the disk.
func lastSeen(ctx context.Context, c configs.Config, cluster string) (engine.Discovery, error) {
	store, closeStore := openSeen(ctx, c)
	d, err := newRecall(c, store, guard.NewCache(0, time.Now), zap.NewNop()).NewestDiscovery(ctx, cluster, "")
	return d, errors.Join(err, closeStore())
}

// openSeen opens the database for reading; one that cannot be opened is a store that never answers.
func openSeen(ctx context.Context, c configs.Config) (engine.RecallStore, func() error) {
	db, err := openCurrent(ctx, c.Storage)
	if err != nil {
		return away{err}, func() error { return nil }
	}
	return storage.NewJournal(db), db.Close
}

// away is a store that does not answer.
type away struct{ err error }

var _ engine.RecallStore = away{}

// SaveDiscovery implements engine.RecallStore.
func (a away) SaveDiscovery(context.Context, engine.Lease, engine.Discovery) error { return a.err }

// NewestLook implements engine.RecallStore.
func (a away) NewestLook(context.Context, string, string) (engine.Look, error) {
	return engine.Look{}, a.err
}

// Discovery implements engine.RecallStore.
func (a away) Discovery(context.Context, string) (engine.Discovery, error) {
	return engine.Discovery{}, a.err
}

// NewestRefusal implements engine.RecallStore.
func (a away) NewestRefusal(context.Context, string, string, time.Time) (guard.Verdict, error) {
	return guard.Verdict{}, a.err
}
