package mysqltest

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// Suite runs a package's tests between the boot and the stop of clusters they share. It is what
// goleak.VerifyTestMain takes in place of the *testing.M.
type Suite struct {
	Tests    interface{ Run() int } // the *testing.M
	Options  []Options              // one cluster each
	Prepare  func(ctx context.Context, c *Cluster) error
	Clusters *[]*Cluster // filled before the tests run, in the order of Options
}

// Run boots, tests and stops; its result is an exit code. A cluster that does not start is told on
// standard error, with the command that installs a missing server, and fails the package.
func (s Suite) Run() int {
	clusters, err := s.boot()
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the servers of the tests:", err)
	} else {
		*s.Clusters = clusters
		code = s.Tests.Run()
	}
	for _, c := range clusters {
		if c == nil {
			continue
		}
		if err := c.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the servers of the tests:", err)
			code = 1
		}
	}
	return code
}

// boot starts all clusters at once. Those that came up are returned beside an error, to be stopped.
func (s Suite) boot() ([]*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	clusters := make([]*Cluster, len(s.Options))
	var g errgroup.Group
	for i, o := range s.Options {
		g.Go(func() error {
			c, err := Start(ctx, o)
			if err != nil {
				return err
			}
			clusters[i] = c
			return s.Prepare(ctx, c)
		})
	}
	return clusters, g.Wait()
}
