package storage

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine"
)

// The facts of tokens. They are events without a request: no thread tells them.
const (
	EventTokenCreated engine.EventKind = "token.created"
	EventTokenRevoked engine.EventKind = "token.revoked"
)

// tokenPrefix makes a leaked token recognisable to scanners.
const tokenPrefix = "rcy_"

// usedEvery is how often the last use of a token is stored: a busy caller must not make a writer
// of every reading call.
const usedEvery = time.Minute

// Token is a caller of the API. Its fields are those of api.Token.
type Token struct {
	ID      string
	Name    string   // the caller's name, as the audit shows it
	Scopes  []string // read, request, operate, review
	Team    string   // of the person it stands for; may be empty
	User    string   // chat user id of that person; empty: the token only reads
	Created time.Time
	By      string // who made it
	Expires time.Time
	Revoked time.Time
	Used    time.Time // to the minute
}

// Tokens keeps who may call the API.
type Tokens struct{ db *DB }

// NewTokens returns the tokens of a database.
func NewTokens(db *DB) *Tokens { return &Tokens{db: db} }

// HashToken is how a token is stored and looked up: the SHA-256 of its text in hex. A token holds
// 256 random bits, so a slow hash would protect nothing.
func HashToken(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Create makes a token and returns it with its secret, which is kept nowhere. A name that another
// live token has is a *engine.Problem.
func (s *Tokens) Create(ctx context.Context, t Token) (Token, string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return t, "", fmt.Errorf("make a token: %w", err)
	}
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	id, err := shortID(6)
	if err != nil {
		return t, "", fmt.Errorf("make a token: %w", err)
	}
	t.ID = "K" + id[1:]
	err = s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		var taken int64
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM api_tokens WHERE name = $1 AND revoked = 0", t.Name).Scan(&taken); err != nil {
			return err
		}
		if taken > 0 {
			return &engine.Problem{Code: "token_exists", Text: "There is a token named " + t.Name + " already.",
				Next: "Choose another name, or revoke that one first."}
		}
		t.Created = fromMS(now)
		_, err = tx.Exec(ctx, `INSERT INTO api_tokens (id, name, hash, scopes, team, user_id, created, created_by, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t.ID, t.Name, HashToken(secret), strings.Join(t.Scopes, ","), t.Team, t.User, now, t.By, toMS(t.Expires))
		if err != nil {
			return err
		}
		return appendFact(ctx, tx, now, EventTokenCreated, "", "", "", map[string]any{"token": t.ID, "name": t.Name, "scopes": t.Scopes, "user": t.User, "by": t.By})
	})
	if err != nil {
		return t, "", fmt.Errorf("create token %s: %w", t.Name, err)
	}
	return t, secret, nil
}

const tokenColumns = "id, name, scopes, team, user_id, created, created_by, expires, revoked, used"

// scanToken reads one row of tokenColumns.
func scanToken(row Row) (Token, error) {
	var t Token
	var scopes string
	var created, expires, revoked, used int64
	err := row.Scan(&t.ID, &t.Name, &scopes, &t.Team, &t.User, &created, &t.By, &expires, &revoked, &used)
	t.Scopes = strings.Split(scopes, ",")
	t.Created, t.Expires, t.Revoked, t.Used = fromMS(created), fromMS(expires), fromMS(revoked), fromMS(used)
	return t, err
}

// Live returns the token with this hash when it is neither revoked nor expired by the database's
// clock, else engine.ErrNotFound. It remembers to the minute that the token was used.
func (s *Tokens) Live(ctx context.Context, hash string) (Token, error) {
	var t Token
	var now int64
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		if now, err = s.db.now(ctx, tx); err != nil {
			return err
		}
		t, err = scanToken(tx.QueryRow(ctx, "SELECT "+tokenColumns+` FROM api_tokens
			WHERE hash = $1 AND revoked = 0 AND (expires = 0 OR expires > $2)`, hash, now))
		if errors.Is(err, sql.ErrNoRows) {
			return engine.ErrNotFound
		}
		return err
	})
	if err == nil && fromMS(now).Sub(t.Used) >= usedEvery {
		err = s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
			_, err := tx.Exec(ctx, "UPDATE api_tokens SET used = $2 WHERE id = $1 AND used < $2", t.ID, now)
			return err
		})
	}
	if err != nil {
		return Token{}, fmt.Errorf("look up a token: %w", err)
	}
	return t, nil
}

// List returns every token ever made, newest first.
func (s *Tokens) List(ctx context.Context) ([]Token, error) {
	var tokens []Token
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return each(ctx, tx, func(row Row) error {
			t, err := scanToken(row)
			tokens = append(tokens, t)
			return err
		}, "SELECT "+tokenColumns+" FROM api_tokens ORDER BY created DESC, id")
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

// Revoke ends a token, named by its id or, while it lives, by its name. From the next call on it
// is refused.
func (s *Tokens) Revoke(ctx context.Context, which, by string) (Token, error) {
	var t Token
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		t, err = scanToken(tx.QueryRow(ctx, "SELECT "+tokenColumns+" FROM api_tokens WHERE (id = $1 OR name = $1) AND revoked = 0", which))
		if errors.Is(err, sql.ErrNoRows) {
			return &engine.Problem{Code: "no_token", Text: "There is no live token " + which + ".", Next: "List them: recycler token list"}
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE api_tokens SET revoked = $2 WHERE id = $1", t.ID, now); err != nil {
			return err
		}
		t.Revoked = fromMS(now)
		return appendFact(ctx, tx, now, EventTokenRevoked, "", "", "", map[string]any{"token": t.ID, "name": t.Name, "by": by})
	})
	if err != nil {
		return t, fmt.Errorf("revoke token %s: %w", which, err)
	}
	return t, nil
}
