// Command recycler gives disk space back in MySQL replication clusters from a chat channel.
//
// Exit codes: 0 done; 1 the command ended badly, with the reason on standard error; 2 the command
// line or the configuration is wrong and nothing was started. Commands that call a server also: 3 it
// refused the call; 4 it did not answer; 5 the watched job ended, but not well.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"mysql-recycler/engine"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process, so that tests can call it.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	report(stderr, err)
	return codeOf(err)
}

// usageError marks mistakes of the caller: nothing was started.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// report writes what went wrong and, where it is known, what to do about it.
func report(w io.Writer, err error) {
	var s interface{ Sentence() string }
	if errors.As(err, &s) {
		_, _ = fmt.Fprintln(w, "recycler:", s.Sentence())
	} else {
		_, _ = fmt.Fprintln(w, "recycler:", err)
	}
	var p *engine.Problem
	if errors.As(err, &p) {
		for _, r := range p.Reasons {
			_, _ = fmt.Fprintln(w, "  "+r)
		}
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		_, _ = fmt.Fprintln(w, h.Hint())
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "recycler",
		Short: "Give disk space back in MySQL replication clusters, with a second person's approval",
		Long: "Give disk space back in MySQL replication clusters, with a second person's approval.\n\n" +
			"Exit codes: 0 done; 1 it ended badly, with the reason on standard error; 2 the command line or the\nconfiguration is wrong and nothing was started. Commands that call a server also: 3 it refused the call;\n4 it did not answer; 5 the watched job ended, but not well.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(serveCommand(), healthCommand(), demoCommand(), doctorCommand(), auditCommand(), configCommand(), versionCommand())
	root.AddCommand(discoverCommand(), planCommand(), runCommand(), tablesCommand(), schedulesCommand())
	root.AddCommand(topologyCommand(), jobsCommand(), requestsCommand(), tokenCommand(), dbCommand(), backupCommand(), nodesCommand(), regionsCommand())
	return root
}

// version is set by the linker in a release build.
var version = ""

// buildVersion is the release, or what the Go toolchain recorded of the source.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "recycler", buildVersion())
			return err
		},
	}
}
