package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"mysql-recycler/configs"
	"mysql-recycler/storage"
)

func dbCommand() *cobra.Command {
	c := &cobra.Command{Use: "db", Short: "Look at, migrate or copy the database of storage.url"}
	c.AddCommand(dbStatus(), dbMigrate(), dbCopy())
	return c
}

func dbStatus() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "status", Short: "Print the schema, the live jobs and the active bot", Args: cobra.NoArgs,
		Long: "Changes nothing. Exit code 1 when the database must be migrated or is newer than this program.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := load(path)
			if err != nil {
				return err
			}
			s, err := look(c.Context(), cfg.Storage)
			if err != nil {
				return err
			}
			if err := printStatus(c.OutOrStdout(), s); err != nil {
				return err
			}
			switch {
			case s.Schema > s.Known:
				return fmt.Errorf("the database is newer than this program: install recycler %s or newer", s.Program)
			case s.Schema < s.Known:
				return errors.New("the schema is not current: run recycler db migrate, or start serve, which does the same")
			}
			return nil
		},
	}
	configFlag(c, &path)
	return c
}

// look reads the status; a file that is not there yet is not made.
func look(ctx context.Context, c configs.Storage) (storage.Status, error) {
	there, err := storageThere(c.URL.Reveal())
	if err != nil {
		return storage.Status{}, err
	}
	if !there {
		return storage.Status{}, errors.New("there is no database yet at storage.url; serve and db migrate make it")
	}
	return storage.Look(ctx, c.URL.Reveal())
}

func printStatus(w io.Writer, s storage.Status) error {
	text := fmt.Sprintf("database  %s\nschema    %d of %d", s.Kind, s.Schema, s.Known)
	if s.Schema > 0 {
		text += fmt.Sprintf(", by recycler %s on %s", s.Program, s.Migrated.Format("2006-01-02 15:04 UTC"))
	}
	text += fmt.Sprintf("\njobs      %d not ended\nbot       ", s.LiveJobs)
	if s.BotFor > 0 {
		text += fmt.Sprintf("active on %s, epoch %d, lease for %s more", s.Bot.Node, s.Bot.Epoch, s.BotFor.Round(100*time.Millisecond))
	} else {
		text += "none is active"
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func dbMigrate() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "migrate", Short: "Bring the schema to what this program knows", Args: cobra.NoArgs,
		Long: "serve does the same at its start. A SQLite file is copied beside itself before and the copy verified; stop other processes\nfirst. Copies of PostgreSQL are its operator's (pg_dump).",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := load(path)
			if err != nil {
				return err
			}
			var before storage.Status
			there, err := storageThere(cfg.Storage.URL.Reveal())
			if err != nil {
				return err
			}
			if there {
				if before, err = look(c.Context(), cfg.Storage); err != nil {
					return err
				}
			}
			db, err := openDB(c.Context(), cfg.Storage.URL.Reveal())
			if err != nil {
				return err
			}
			if err := db.Close(); err != nil {
				return err
			}
			after, err := look(c.Context(), cfg.Storage)
			if err != nil {
				return err
			}
			if before.Schema == after.Schema {
				_, err = fmt.Fprintf(c.OutOrStdout(), "schema %d is current\n", after.Schema)
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "migrated from schema %d to %d\n", before.Schema, after.Schema)
			return err
		},
	}
	configFlag(c, &path)
	return c
}

// openDB opens a database for a command and migrates it.
func openDB(ctx context.Context, url string) (*storage.DB, error) {
	return storage.Open(ctx, url, zap.NewNop(), storage.WithProgram(buildVersion()))
}

// withDB opens the database of a configuration for f, and closes it.
func withDB(ctx context.Context, path string, f func(*storage.DB) error) (err error) {
	cfg, err := configs.Load(path, os.Environ())
	if err != nil {
		return &usageError{err}
	}
	db, err := openDB(ctx, cfg.Storage.URL.Reveal())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return f(db)
}

// errSchema refuses a database that another version of the program made.
var errSchema = errors.New("the schema of the database is not this program's: see recycler db status")

// openCurrent opens a database that is there and has this program's schema: a look migrates nothing
// beneath a server.
func openCurrent(ctx context.Context, c configs.Storage) (*storage.DB, error) {
	s, err := look(ctx, c)
	if err == nil && s.Schema != s.Known {
		err = errSchema
	}
	if err != nil {
		return nil, err
	}
	return openDB(ctx, c.URL.Reveal())
}

func dbCopy() *cobra.Command {
	var path, to, toFile string
	c := &cobra.Command{
		Use: "copy (--to URL | --to-file FILE)", Short: "Copy every fact into another, empty database", Args: cobra.NoArgs,
		Long: "Moves from SQLite to PostgreSQL or back. Stop every recycler process first; it is refused while a job\nhas not ended, while a bot is active, and when the other database is not empty. Checks the audit chain\nat the other end. Set storage.url to the new database afterwards.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := load(path)
			if err != nil {
				return err
			}
			other, err := destination(to, toFile)
			if err != nil {
				return &usageError{err}
			}
			if _, err := look(c.Context(), cfg.Storage); err != nil { // a source that is not there is not made
				return err
			}
			return copyDB(c.Context(), c.OutOrStdout(), cfg.Storage.URL.Reveal(), other)
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&to, "to", "", "URL of the other database, without a password")
	c.Flags().StringVar(&toFile, "to-file", "", "file that holds the URL")
	return c
}

// destination is the URL to copy to. The command line is seen by everybody on the machine, so a
// password in it is refused, and never repeated.
func destination(to, file string) (string, error) {
	if (to == "") == (file == "") {
		return "", errors.New("give one of --to and --to-file")
	}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the url: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	u, err := url.Parse(to)
	if err != nil {
		return "", errors.New("--to is not a URL")
	}
	if _, secret := u.User.Password(); secret || u.Query().Has("password") {
		return "", errors.New("--to holds a password, which others can see in the list of processes; use --to-file")
	}
	return to, nil
}

// copyDB copies and checks.
func copyDB(ctx context.Context, out io.Writer, from, to string) (err error) {
	if from == to {
		return errors.New("that is the database of storage.url itself")
	}
	src, err := openDB(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := openDB(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	rows, err := storage.Transfer(ctx, src, dst)
	if err != nil {
		return err
	}
	end, err := storage.NewAudit(dst).Verify(ctx)
	if err != nil {
		return fmt.Errorf("the copy is not whole, do not use it: %w", err)
	}
	_, err = fmt.Fprintf(out, "copied %d row(s); the audit chain is whole: %d link(s)\n", rows, end.Links)
	return err
}
