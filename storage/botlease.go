package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/engine"
)

// BotLease is the right to be the active bot of a Slack app.
type BotLease struct {
	Name  string // of the app, not its token
	Owner string // of one start of one process
	Node  string // machine and process, for people
	Epoch int64  // grows with every owner
	Until time.Time
}

// BotLeases hand out the right to be the active bot. Times are the database's.
type BotLeases struct{ db *DB }

// NewBotLeases returns the bot leases of a database.
func NewBotLeases(db *DB) *BotLeases { return &BotLeases{db: db} }

// Take takes the lease when nobody has it, or its time is over. A live one is engine.ErrLeaseHeld
// together with who holds it; looking costs no write.
func (s *BotLeases) Take(ctx context.Context, name, owner, node string, ttl time.Duration) (BotLease, error) {
	if name == "" || owner == "" {
		return BotLease{}, errors.New("take the bot's lease: it needs a name and an owner")
	}
	l, err := s.look(ctx, name)
	if err != nil {
		return l, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if l, err = readBotLease(ctx, tx, name); err != nil {
			return err
		}
		if l.Until.UnixMilli() > now && l.Owner != "" {
			return engine.ErrLeaseHeld
		}
		until := now + ttl.Milliseconds()
		l = BotLease{Name: name, Owner: owner, Node: node, Epoch: l.Epoch + 1, Until: fromMS(until)}
		query := "UPDATE bot_leases SET owner = $2, node = $3, epoch = $4, until = $5 WHERE name = $1"
		if l.Epoch == 1 {
			query = "INSERT INTO bot_leases (name, owner, node, epoch, until) VALUES ($1, $2, $3, $4, $5)"
		}
		_, err = tx.Exec(ctx, query, name, owner, node, l.Epoch, until)
		return err
	})
	if err != nil {
		return l, fmt.Errorf("take the bot's lease: %w", err)
	}
	return l, nil
}

// look answers engine.ErrLeaseHeld while the lease lives.
func (s *BotLeases) look(ctx context.Context, name string) (l BotLease, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		if l, err = readBotLease(ctx, tx, name); err != nil {
			return err
		}
		if l.Owner != "" && l.Until.UnixMilli() > now {
			return engine.ErrLeaseHeld
		}
		return nil
	})
	if err != nil {
		return l, fmt.Errorf("look at the bot's lease: %w", err)
	}
	return l, nil
}

// readBotLease reads a lease; one that never was is empty.
func readBotLease(ctx context.Context, tx Tx, name string) (BotLease, error) {
	l := BotLease{Name: name}
	var until int64
	err := tx.QueryRow(ctx, "SELECT owner, node, epoch, until FROM bot_leases WHERE name = $1", name).Scan(&l.Owner, &l.Node, &l.Epoch, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return l, nil
	}
	l.Until = fromMS(until)
	return l, err
}

// Renew keeps a lease for ttl more. engine.ErrLeaseLost says that another owner has it.
func (s *BotLeases) Renew(ctx context.Context, l BotLease, ttl time.Duration) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE bot_leases SET until = $4 WHERE name = $1 AND owner = $2 AND epoch = $3",
			l.Name, l.Owner, l.Epoch, now+ttl.Milliseconds())
		if err == nil && n == 0 {
			return engine.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("renew the bot's lease: %w", err)
	}
	return nil
}

// Release gives a lease back, so that whoever waits need not wait for its end. One that was taken
// over is engine.ErrLeaseLost.
func (s *BotLeases) Release(ctx context.Context, l BotLease) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, "UPDATE bot_leases SET owner = '', until = 0 WHERE name = $1 AND owner = $2 AND epoch = $3", l.Name, l.Owner, l.Epoch)
		if err == nil && n == 0 {
			return engine.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("release the bot's lease: %w", err)
	}
	return nil
}

// fenceKey is where a context carries the lease its work depends on.
type fenceKey struct{}

// WithFence binds all work on the database under the returned context to a lease: once another
// owner has it, every transaction, reading or writing, is refused with engine.ErrLeaseLost. A
// process that froze and wakes can so neither write nor act on what it would read.
func WithFence(ctx context.Context, l BotLease) context.Context {
	return context.WithValue(ctx, fenceKey{}, l)
}

// fenced puts the fence of the context before fn, in the same transaction.
func fenced(fn func(context.Context, Tx) error) func(context.Context, Tx) error {
	return func(ctx context.Context, tx Tx) error {
		want, ok := ctx.Value(fenceKey{}).(BotLease)
		if !ok {
			return fn(ctx, tx)
		}
		have, err := readBotLease(ctx, tx, want.Name)
		if err != nil {
			return fmt.Errorf("look at the bot's lease: %w", err)
		}
		if have.Owner != want.Owner || have.Epoch != want.Epoch {
			return engine.ErrLeaseLost
		}
		return fn(ctx, tx)
	}
}
