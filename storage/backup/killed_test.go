package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"mysql-recycler/storage"
	"mysql-recycler/storage/backup"
)

// asVictim makes the test program back up, or restore, again and again until it is killed.
const asVictim = "RECYCLER_BACKUP_VICTIM"

func victim() {
	ctx := context.Background()
	args := os.Args[len(os.Args)-4:] // url, folder, identity, file
	id, err := age.ParseX25519Identity(args[2])
	for err == nil {
		if os.Getenv(asVictim) == "restore" {
			_, err = backup.Restore(ctx, args[3], []age.Identity{id}, args[0], "dba@host", "v1.2.3")
			continue
		}
		var db *storage.DB
		if db, err = storage.Open(ctx, args[0], zap.NewNop()); err == nil {
			_, _, err = backup.Take(ctx, db, args[1], []age.Recipient{id.Recipient()}, 3)
			err = errors.Join(err, db.Close())
		}
		if err == nil && os.Getenv(asVictim) == "once" {
			os.Exit(0)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// kill -9 at random moments of a backup, and of a restore: a file with the name of a backup is a
// whole one, the database is the old or the new one, and no plain copy stays longer than the next run.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"backup", "restore"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			url, path, id := made(t)
			folder, tmp := t.TempDir(), t.TempDir()
			child := func(mode string) *exec.Cmd {
				cmd := exec.CommandContext(t.Context(), os.Args[0], url, folder, id.String(), path)
				cmd.Env = append(os.Environ(), asVictim+"="+mode, "TMPDIR="+tmp)
				return cmd
			}
			for range 8 {
				cmd := child(what)
				var out bytes.Buffer
				cmd.Stderr = &out
				require.NoError(t, cmd.Start())
				time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond) // the moment is the point
				require.NoError(t, cmd.Process.Kill())
				_ = cmd.Wait() // killed
				require.Empty(t, out.String())
				db := open(t, url)
				_, err := storage.NewAudit(db).Verify(t.Context())
				require.NoError(t, err)
				_, err = storage.NewFacts(db).Request(t.Context(), "R-WAIT")
				require.NoError(t, errors.Join(err, db.Close()))
			}
			files, err := backup.List(folder)
			require.NoError(t, err)
			for _, f := range files {
				_, err := backup.Verify(t.Context(), f.Path, []age.Identity{id}, "v1.2.3")
				require.NoError(t, err)
			}
			out, err := child("once").CombinedOutput()
			require.NoError(t, err, "%s", out)
			for _, left := range []string{filepath.Join(tmp, "recycler-backup-*"), filepath.Join(folder, "*.tmp")} {
				found, err := filepath.Glob(left)
				require.NoError(t, err)
				require.Empty(t, found)
			}
		})
	}
}
