package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mysql-recycler/bot/api"
	"mysql-recycler/storage"
)

var (
	tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	tokenUser = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "token", Short: "Make, list and revoke the tokens of API callers",
		Long: "Works on the database of the configuration, on its machine; a running server sees the change\nat once. Each change is in the event log with the name of the system's user.",
	}
	c.AddCommand(tokenCreateCommand(), tokenListCommand(), tokenRevokeCommand())
	return c
}

func tokenCreateCommand() *cobra.Command {
	var path string
	var t storage.Token
	var expires time.Duration
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a token and print it, once", Args: usageArgs(cobra.ExactArgs(1)),
		Long: "Prints the token on standard output and nowhere else; only its hash is stored.\n\n" +
			"Scopes: read (look), request (ask for work), operate (pause, resume, cancel), review (approve,\ndeny), admin (read and reload the configuration). " +
			"All but read are done in the name of a person: --user is their chat user id. They have the\nrights they have in the chat and no others; nobody can approve what they asked for themselves.",
		RunE: func(c *cobra.Command, args []string) error {
			if t.Name = args[0]; !tokenName.MatchString(t.Name) {
				return &usageError{fmt.Errorf("%q is not a name of letters, digits, dots, dashes and underscores", t.Name)}
			}
			if err := checkScopes(t.Scopes, t.User); err != nil {
				return &usageError{err}
			}
			if expires > 0 {
				t.Expires = time.Now().Add(expires)
			}
			t.By = systemUser()
			return withTokens(c.Context(), path, func(s *storage.Tokens) error {
				made, secret, err := s.Create(c.Context(), t)
				if err != nil {
					return err
				}
				_, _ = fmt.Fprintf(c.ErrOrStderr(), "token %s (%s): keep it now, it is not shown again\n", made.ID, made.Name)
				_, err = fmt.Fprintln(c.OutOrStdout(), secret)
				return err
			})
		},
	}
	configFlag(c, &path)
	c.Flags().StringSliceVar(&t.Scopes, "scope", []string{string(api.Read)}, "what it may do: read, request, operate, review, admin")
	c.Flags().StringVar(&t.User, "user", "", "chat user id (U…) of the person it stands for")
	c.Flags().StringVar(&t.Team, "team", "", "chat team id (T…) of that person, in an organisation of several")
	c.Flags().DurationVar(&expires, "expires", 0, "how long it lives, for example 720h; 0: until it is revoked")
	return c
}

// checkScopes refuses scopes that do not exist, and those of a person without one.
func checkScopes(scopes []string, user string) error {
	known := api.Scopes()
	for i, s := range scopes {
		if !slices.Contains(known, api.Scope(s)) || slices.Contains(scopes[:i], s) {
			return fmt.Errorf("--scope: %q is unknown or there twice; write read, request, operate, review, admin", s)
		}
	}
	switch {
	case len(scopes) == 0:
		return errors.New("--scope: a token needs at least one scope")
	case user != "" && !tokenUser.MatchString(user):
		return fmt.Errorf("--user: %q is not a member id (U… or W…)", user)
	case user == "" && !slices.Equal(scopes, []string{string(api.Read)}):
		return errors.New("--user is missing: only a person can do more than read")
	}
	return nil
}

func tokenListCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "list", Short: "List tokens with their last use; never the tokens themselves", Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return withTokens(c.Context(), path, func(s *storage.Tokens) error {
				all, err := s.List(c.Context())
				if err != nil {
					return err
				}
				return printTokens(c.OutOrStdout(), all)
			})
		},
	}
	configFlag(c, &path)
	return c
}

func printTokens(out io.Writer, all []storage.Token) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tNAME\tSCOPES\tUSER\tSTATE\tLAST USED\tCREATED\tBY")
	for _, t := range all {
		state := "live"
		switch {
		case !t.Revoked.IsZero():
			state = "revoked " + stamp(t.Revoked)
		case !t.Expires.IsZero() && !t.Expires.After(time.Now()):
			state = "expired " + stamp(t.Expires)
		case !t.Expires.IsZero():
			state = "until " + stamp(t.Expires)
		}
		_, _ = fmt.Fprintln(w, strings.Join([]string{t.ID, t.Name, strings.Join(t.Scopes, ","), dash(t.User), state, stamp(t.Used), stamp(t.Created), dash(t.By)}, "\t"))
	}
	return w.Flush()
}

func tokenRevokeCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "revoke ID|NAME", Short: "End a token; from the next call on it is refused", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withTokens(c.Context(), path, func(s *storage.Tokens) error {
				t, err := s.Revoke(c.Context(), args[0], systemUser())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "revoked %s (%s)\n", t.ID, t.Name)
				return err
			})
		},
	}
	configFlag(c, &path)
	return c
}

// withTokens opens the database of a configuration.
func withTokens(ctx context.Context, path string, f func(*storage.Tokens) error) error {
	return withDB(ctx, path, func(db *storage.DB) error { return f(storage.NewTokens(db)) })
}

// systemUser is who runs the command, as the operating system says.
func systemUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// stamp is a time in a table.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

// dash stands for nothing in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// usageArgs marks a wrong number of arguments as the caller's mistake.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
}
