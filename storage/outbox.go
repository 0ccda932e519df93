package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mysql-recycler/approvals"
)

// Post is the wished state of one message in a channel. Its fields are those of bot.Post, which
// this package must not import: the program converts one to the other.
type Post struct {
	Key     string
	Request string
	Channel string
	Parent  string
	Body    []byte
	Routine bool
}

// Queued is a post that its channel does not show yet.
type Queued struct {
	Post
	Rev      int64
	TS       string
	ParentTS string
	Attempts int
	Moved    bool // it is another message than the first one, which is gone
}

// Outbox is the durable list of messages. Each row is a wish; a revision in between may be skipped.
type Outbox struct{ db *DB }

// NewOutbox returns the outbox of a database.
func NewOutbox(db *DB) *Outbox { return &Outbox{db: db} }

// Put upserts posts as they should look after event upto, and moves the reader's cursor there, in
// one transaction. The cursor never goes back; an empty reader has none.
//
// A new body makes a new revision; the same body changes nothing. A routine body that was drawn
// before the newest non-routine one (its upto is smaller) is dropped, so that a late progress edit
// cannot hide a decision. Until a decision is sent, what hides it has its weight. Where the message
// was posted never changes.
func (s *Outbox) Put(ctx context.Context, reader string, upto int64, posts []Post) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		for _, p := range posts {
			if err := putPost(ctx, tx, p, upto, now); err != nil {
				return fmt.Errorf("post %s: %w", p.Key, err)
			}
		}
		return moveCursor(ctx, tx, reader, upto)
	})
	if err != nil {
		return fmt.Errorf("put posts of %s: %w", reader, err)
	}
	return nil
}

// moveCursor moves a reader's cursor forward.
func moveCursor(ctx context.Context, tx Tx, reader string, upto int64) error {
	if reader == "" {
		return nil
	}
	n, err := tx.Exec(ctx, "UPDATE cursors SET seq = $2 WHERE reader = $1 AND seq <= $2", reader, upto)
	if err != nil || n > 0 {
		return err
	}
	var known int64
	if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM cursors WHERE reader = $1", reader).Scan(&known); err != nil || known > 0 {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO cursors (reader, seq) VALUES ($1, $2)", reader, upto)
	return err
}

// putPost inserts or changes one row.
func putPost(ctx context.Context, tx Tx, p Post, upto, now int64) error {
	var body string
	var routine, told, rev, sent int64
	err := tx.QueryRow(ctx, "SELECT body, routine, told, rev, sent_rev FROM posts WHERE key = $1", p.Key).Scan(&body, &routine, &told, &rev, &sent)
	if errors.Is(err, sql.ErrNoRows) {
		return insertPost(ctx, tx, p, upto, now)
	}
	if err != nil {
		return err
	}
	if p.Routine && upto < told {
		return nil
	}
	if !p.Routine {
		told = max(told, upto)
	}
	if body == string(p.Body) {
		// The wish is the same; only its weight may have grown.
		_, err = tx.Exec(ctx, "UPDATE posts SET routine = $2, told = $3 WHERE key = $1", p.Key, flag(p.Routine && routine == 1), told)
		return err
	}
	p.Routine = p.Routine && (routine == 1 || sent == rev) // a progress edit that also shows an unsent decision is none
	// A new wish is tried again even when the old one was given up: the new body may be the cure.
	_, err = tx.Exec(ctx, `UPDATE posts SET body = $2, routine = $3, told = $4, rev = rev + 1, updated = $5,
			attempts = 0, gave_up = 0, reason = '', next_at = CASE WHEN gave_up = 1 THEN 0 ELSE next_at END
		WHERE key = $1`, p.Key, string(p.Body), flag(p.Routine), told, now)
	return err
}

// insertPost inserts the first revision of a post.
func insertPost(ctx context.Context, tx Tx, p Post, upto, now int64) error {
	ord, err := next(ctx, tx, "posts")
	if err != nil {
		return err
	}
	told := upto
	if p.Routine {
		told = 0
	}
	_, err = tx.Exec(ctx, `INSERT INTO posts (key, ord, request_id, channel, parent, body, routine, told, rev, updated)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)`,
		p.Key, ord, p.Request, p.Channel, p.Parent, string(p.Body), flag(p.Routine), told, now)
	return err
}

// flag is a bool as a number, which both dialects store alike.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// duePosts lists what may be sent at $1. A reply waits for its parent, and a reply that was never
// sent waits for older ones of the same thread, so that a thread reads in order even when sending
// one of them failed for a while. A reply whose parent retention let go is a message of its own:
// nobody would see it else.
//
// A message that once went to another channel than wished (a direct message, a fallback) is edited,
// and its thread goes on, where it went.
const duePosts = `SELECT p.key, p.request_id,
	CASE WHEN p.ts <> '' THEN p.sent_channel WHEN q.ts <> '' THEN q.sent_channel ELSE p.channel END, p.parent, p.body, p.routine, p.rev, p.ts, COALESCE(q.ts, ''), p.attempts,
	CASE WHEN p.moved_from <> '' THEN 1 ELSE 0 END
	FROM posts p LEFT JOIN posts q ON q.key = p.parent
	WHERE p.sent_rev < p.rev AND p.gave_up = 0 AND p.next_at <= $1
	  AND (p.parent = '' OR q.ts <> '' OR q.key IS NULL)
	  AND NOT (p.parent <> '' AND p.ts = '' AND EXISTS (
	    SELECT 1 FROM posts o WHERE o.parent = p.parent AND o.ord < p.ord AND o.ts = '' AND o.gave_up = 0 AND o.next_at > $1))
	ORDER BY p.ord LIMIT $2`

// Due lists what is to be sent, oldest first, parents before their threads.
func (s *Outbox) Due(ctx context.Context, limit int) ([]Queued, error) {
	var due []Queued
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(row Row) error {
			var q Queued
			var body string
			var routine, moved int64
			err := row.Scan(&q.Key, &q.Request, &q.Channel, &q.Parent, &body, &routine, &q.Rev, &q.TS, &q.ParentTS, &q.Attempts, &moved)
			q.Body, q.Routine, q.Moved = []byte(body), routine == 1, moved == 1
			due = append(due, q)
			return err
		}, duePosts, now, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("list due posts: %w", err)
	}
	return due, nil
}

// Sent stores where revision rev of a post went. A newer revision stays due; an older one that is
// reported late changes nothing. A post that is known to be another message is approvals.ErrConflict:
// another process sent it as well.
func (s *Outbox) Sent(ctx context.Context, key string, rev int64, channel, ts string) error {
	return s.update(ctx, key, "sent", func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `UPDATE posts SET sent_rev = $2, sent_channel = $3, ts = $4, attempts = 0, next_at = 0, reason = ''
			WHERE key = $1 AND sent_rev <= $2 AND (ts = '' OR ts = $4)`, key, rev, channel, ts)
		if err != nil || n == 1 {
			return err
		}
		var others int64
		err = tx.QueryRow(ctx, "SELECT COUNT(*) FROM posts WHERE key = $1 AND sent_rev <= $2", key, rev).Scan(&others)
		if err == nil && others > 0 {
			err = approvals.ErrConflict
		}
		return err
	})
}

// Moved stores that the message was of a post is gone, and which one stands in its place. A post moves
// once; whatever else is stored by then is approvals.ErrConflict. Its revision is for Sent to store.
func (s *Outbox) Moved(ctx context.Context, key, was, channel, ts string) error {
	return s.update(ctx, key, "move", func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, "UPDATE posts SET moved_from = $2, sent_channel = $3, ts = $4 WHERE key = $1 AND ts = $2 AND ts <> '' AND moved_from = ''",
			key, was, channel, ts)
		if err == nil && n == 0 {
			err = approvals.ErrConflict
		}
		return err
	})
}

// Postpone stores that sending revision rev failed and when to try again; giveUp ends the tries until
// the post gets a new body. One that it has by then is put off too, but not given up.
func (s *Outbox) Postpone(ctx context.Context, key string, rev int64, until time.Time, reason string, giveUp bool) error {
	return s.update(ctx, key, "postpone", func(ctx context.Context, tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE posts SET attempts = attempts + 1, next_at = $2, reason = $3, gave_up = $4
			WHERE key = $1 AND (rev = $5 OR $4 = 0)`, key, toMS(until), reason, flag(giveUp), rev)
		return err
	})
}

// update changes one post in a transaction.
func (s *Outbox) update(ctx context.Context, key, what string, f func(context.Context, Tx) error) error {
	if err := s.db.InTx(ctx, f); err != nil {
		return fmt.Errorf("%s post %s: %w", what, key, err)
	}
	return nil
}
