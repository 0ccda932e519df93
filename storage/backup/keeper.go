package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"filippo.io/age"
	"go.uber.org/zap"

	"mysql-recycler/storage"
)

// retryAfter is the wait after a backup that was not made.
const retryAfter = 5 * time.Minute

// Keeper makes backups at their times.
type Keeper struct {
	DB     *storage.DB
	Folder string
	To     []age.Recipient
	Keep   int
	Next   func(time.Time) time.Time // the first time after another
	Told   func(File, error)         // of each try; nil: nobody
	Log    *zap.Logger
}

// Run makes backups until ctx ends. A time that passed while no process ran is made up for once, at
// the start; one that could not be made is tried again, and said.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		wait, err := k.due()
		if err == nil && wait <= 0 {
			err = k.once(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.Log.Error("no backup was made", zap.Error(err))
			wait = retryAfter
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// due is how long it is to the next backup; not positive: now.
func (k *Keeper) due() (time.Duration, error) {
	files, err := List(k.Folder)
	if err != nil || len(files) == 0 {
		return 0, err
	}
	return time.Until(k.Next(files[0].Taken)), nil
}

func (k *Keeper) once(ctx context.Context) error {
	f, m, err := Take(ctx, k.DB, k.Folder, k.To, k.Keep)
	if k.Told != nil {
		k.Told(f, err)
	}
	if err == nil {
		k.Log.Info("backup made", zap.String("path", f.Path), zap.Int64("bytes", f.Bytes), zap.Int64("rows", m.Rows()))
	}
	return err
}

// Recipients reads public keys, age1…, as a configuration names them.
func Recipients(keys []string) ([]age.Recipient, error) {
	if len(keys) == 0 {
		return nil, errors.New("no recipient")
	}
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(keys, "\n")))
	if err != nil {
		return nil, errors.New("a recipient is a public key that begins with age1") // age's text repeats what may be a secret key
	}
	return to, nil
}

// Identities reads the secret keys of a file as NewKey and age-keygen write it.
func Identities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	ids, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("%s holds no age identity (AGE-SECRET-KEY-…)", path)
	}
	return ids, nil
}

// NewKey writes a new identity to w and returns its recipient.
func NewKey(w io.Writer) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	_, err = fmt.Fprintf(w, "# public key: %s\n%s\n", id.Recipient(), id)
	return id.Recipient().String(), err
}
