// Command install provides the server binaries that tests and the demo boot:
//
//	go run ./engine/mysqltest/install mariadb mysql
//
// It does nothing for a flavor that is there already.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mysql-recycler/engine/mysqltest"
)

// limit is how long a slow mirror may take for everything.
const limit = 15 * time.Minute

func main() { os.Exit(run(os.Args[1:])) }

func run(flavors []string) int {
	if len(flavors) == 0 {
		fmt.Fprintln(os.Stderr, "usage: go run ./engine/mysqltest/install FLAVOR...   (mariadb, mysql, mysql56)")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, f := range flavors {
		begin := time.Now()
		where, err := mysqltest.Installed(ctx, mysqltest.Flavor(f))
		if err != nil {
			fmt.Printf("%s: installing\n", f)
			if err := mysqltest.Install(ctx, mysqltest.Flavor(f)); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", f, err)
				return 1
			}
			if where, err = mysqltest.Installed(ctx, mysqltest.Flavor(f)); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", f, err)
				return 1
			}
		}
		fmt.Printf("%s: %s (%.1fs)\n", f, where, time.Since(begin).Seconds())
	}
	return 0
}
