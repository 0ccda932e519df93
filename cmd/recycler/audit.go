package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"mysql-recycler/storage"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Check or export the record of who asked for and decided what"}
	c.AddCommand(auditVerify(), auditExport())
	return c
}

func auditVerify() *cobra.Command {
	var path, head string
	c := &cobra.Command{
		Use: "verify", Short: "Recompute the chain and compare it with requests and reviews", Args: cobra.NoArgs,
		Long: "Names every place that does not fit and exits with 1. Prints the number of links and the last hash;\nkept elsewhere and given as --head, it also shows a chain that was cut short or written anew.",
		RunE: func(c *cobra.Command, _ []string) error {
			return withAudit(c.Context(), path, func(a *storage.Audit) error {
				end, err := a.Verify(c.Context())
				if err != nil {
					return err
				}
				if err := knows(c.Context(), a, head); err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "the audit chain is whole: %d link(s), last hash %s\n", end.Links, end.Hash)
				return err
			})
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&head, "head", "", "a last hash from before, which the chain must still hold")
	return c
}

// knows refuses a chain that does not hold a hash it once ended with.
func knows(ctx context.Context, a *storage.Audit, head string) error {
	if head == "" {
		return nil
	}
	found := false
	err := a.Export(ctx, func(l storage.AuditLink) error {
		found = found || l.Hash == head
		return nil
	})
	if err == nil && !found {
		return fmt.Errorf("the chain does not hold %s: it was cut short or written anew", head)
	}
	return err
}

func auditExport() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "export", Short: "Write the chain as JSON lines", Args: cobra.NoArgs,
		Long: "One line a link: the record exactly as it was hashed, the hash before it and its own.\nhash = sha256(prev + \"\\n\" + record), in hex.",
		RunE: func(c *cobra.Command, _ []string) error {
			out := json.NewEncoder(c.OutOrStdout())
			out.SetEscapeHTML(false) // the record must stay the bytes that were hashed
			return withAudit(c.Context(), path, func(a *storage.Audit) error {
				return a.Export(c.Context(), func(l storage.AuditLink) error { return out.Encode(l) })
			})
		},
	}
	configFlag(c, &path)
	return c
}

// withAudit opens the configured database for one look.
func withAudit(ctx context.Context, path string, look func(*storage.Audit) error) (err error) {
	cfg, _, err := load(path)
	if err != nil {
		return err
	}
	there, err := storageThere(cfg.Storage.URL.Reveal())
	if err != nil {
		return err
	}
	if !there {
		return errors.New("there is no database yet at storage.url; serve makes it")
	}
	db, err := openDB(ctx, cfg.Storage.URL.Reveal())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return look(storage.NewAudit(db))
}
