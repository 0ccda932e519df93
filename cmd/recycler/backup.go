package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"mysql-recycler/configs"
	"mysql-recycler/storage"
	"mysql-recycler/storage/backup"
)

func backupCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backup", Short: "Make, check and restore encrypted backups of all state",
		Long: "A backup holds requests, approvals, jobs, schedules, tokens and the audit chain, encrypted for the\nrecipients of the configuration. It is made while recycler runs; serve makes them at backup.schedule.",
	}
	c.AddCommand(backupCreate(), backupList(), backupVerify(), backupRestore(), backupKey())
	return c
}

func backupCreate() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "create", Short: "Make a backup now", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := backupConfig(path)
			if err != nil {
				return err
			}
			to, err := backup.Recipients(cfg.Backup.Recipients)
			if err != nil {
				return &usageError{err}
			}
			if _, err := look(c.Context(), cfg.Storage); err != nil { // a database that is not there is not made
				return err
			}
			db, err := openDB(c.Context(), cfg.Storage.URL.Reveal())
			if err != nil {
				return err
			}
			f, m, err := backup.Take(c.Context(), db, cfg.Backup.Folder, to, cfg.Backup.Keep)
			if err = errors.Join(err, db.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s  %s, %d rows, %d audit links\n", f.Path, size(f.Bytes), m.Rows(), m.Audit.Links)
			return err
		},
	}
	configFlag(c, &path)
	return c
}

func backupList() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "list", Short: "List the backups, newest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := backupConfig(path)
			if err != nil {
				return err
			}
			files, err := backup.List(cfg.Backup.Folder)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				_, err := fmt.Fprintln(c.OutOrStdout(), "no backup in", cfg.Backup.Folder)
				return err
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "TAKEN (UTC)\tSIZE\tFILE") // Flush tells the error
			for _, f := range files {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", f.Taken.Format(time.DateTime), size(f.Bytes), f.Path)
			}
			return w.Flush()
		},
	}
	configFlag(c, &path)
	return c
}

func backupVerify() *cobra.Command {
	var path, identity string
	c := &cobra.Command{
		Use: "verify [FILE]", Short: "Restore a backup into a scratch place and compare", Args: cobra.MaximumNArgs(1),
		Long: "Without FILE it takes the newest. Opens the file, compares it with its manifest, recomputes the audit\nchain, restores everything into a scratch database and compares every table. Changes nothing.",
		RunE: func(c *cobra.Command, args []string) error {
			file, ids, err := opened(path, identity, args)
			if err != nil {
				return err
			}
			m, err := backup.Verify(c.Context(), file, ids, buildVersion())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s can be restored: %s of %s, schema %d, %d rows in %d tables, %d audit links ending in %.12s\n",
				file, m.Taken.Format("2006-01-02 15:04:05 UTC"), m.Kind, m.Schema, m.Rows(), len(m.Tables), m.Audit.Links, m.Audit.Hash)
			return err
		},
	}
	configFlag(c, &path)
	identityFlag(c, &identity)
	return c
}

func backupRestore() *cobra.Command {
	var path, identity string
	var replace bool
	c := &cobra.Command{
		Use: "restore FILE", Short: "Make the database of storage.url the one of a backup", Args: cobra.ExactArgs(1),
		Long: "Stop every recycler process first. The backup is verified before. A SQLite file that is there needs\n--replace and stays beside the new one; a PostgreSQL database must be empty. Jobs that had not ended in\nthe backup are ended as failed: what happened on their hosts since is not known.",
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, err := load(path)
			if err != nil {
				return err
			}
			file, ids, err := opened(path, identity, args)
			if err != nil {
				return err
			}
			url := cfg.Storage.URL.Reveal()
			if there, err := storageThere(url); err != nil {
				return err
			} else if there && !replace && storage.IsFile(url) {
				return &usageError{errors.New("there is a database at storage.url; say --replace to put the backup in its place (the old file is kept beside it)")}
			}
			r, err := backup.Restore(c.Context(), file, ids, url, caller(), buildVersion())
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			_, err = fmt.Fprintf(out, "restored the state of %s: %d rows, the audit chain is whole\n", r.Taken.Format("2006-01-02 15:04:05 UTC"), r.Rows())
			for _, id := range r.Ended {
				_, _ = fmt.Fprintf(out, "%s had not ended and has failed now; look at its host before asking again\n", id)
			}
			if r.Old != "" {
				_, _ = fmt.Fprintln(out, "the old database is", r.Old)
			}
			return err
		},
	}
	configFlag(c, &path)
	identityFlag(c, &identity)
	c.Flags().BoolVar(&replace, "replace", false, "put the backup in the place of a SQLite file that is there")
	return c
}

func backupKey() *cobra.Command {
	return &cobra.Command{
		Use: "key FILE", Short: "Write a new identity to FILE and print its recipient", Args: cobra.ExactArgs(1),
		Long: "The recipient (age1…) goes into backup.recipients. The identity opens the backups: keep FILE elsewhere,\nnot on this machine; without it no backup can be restored.",
		RunE: func(c *cobra.Command, args []string) error {
			f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			recipient, err := backup.NewKey(f)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), recipient)
			return err
		},
	}
}

func identityFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "identity", "", "file with the identity that opens the backup")
	_ = c.MarkFlagRequired("identity") // the flag exists
}

// backupConfig is the configuration, with backups in it.
func backupConfig(path string) (configs.Config, error) {
	cfg, _, err := load(path)
	if err == nil && cfg.Backup.Folder == "" {
		err = &usageError{errors.New("backup.folder is not set: no backups are made; recycler backup key makes a key to begin with")}
	}
	return cfg, err
}

// opened is the file to read, the newest when none is named, and what opens it.
func opened(path, identity string, args []string) (string, []age.Identity, error) {
	ids, err := backup.Identities(identity)
	if err != nil {
		return "", nil, &usageError{err}
	}
	if len(args) > 0 {
		return args[0], ids, nil
	}
	cfg, err := backupConfig(path)
	if err != nil {
		return "", nil, err
	}
	files, err := backup.List(cfg.Backup.Folder)
	if err == nil && len(files) == 0 {
		err = errors.New("no backup in " + cfg.Backup.Folder)
	}
	if err != nil {
		return "", nil, err
	}
	return files[0].Path, ids, nil
}

// caller is who types: the user of the machine.
func caller() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return host
}
