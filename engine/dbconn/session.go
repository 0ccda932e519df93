package dbconn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Session is one pinned connection: what was asked on it and what runs on it meet the same server.
// It never reconnects; a lost connection is an error the caller must look into.
type Session struct {
	ID     uint64 // CONNECTION_ID()
	Server *Server
	conn   *sql.Conn
}

// Session dials a connection of its own. The connector has compared the identity of whoever
// answered with the server that was opened: a *ConnectError of ClassIdentity says it is another.
func (s *Server) Session(ctx context.Context) (*Session, error) {
	dial, cancel := context.WithTimeout(ctx, s.access.dialTimeout()+s.access.readTimeout())
	defer cancel()
	conn, err := s.sessions.Conn(dial)
	if err != nil {
		return nil, connectError(s.Name, s.Addr, err)
	}
	sess := &Session{Server: s, conn: conn}
	if err := conn.QueryRowContext(dial, "SELECT CONNECTION_ID()").Scan(&sess.ID); err != nil {
		_ = conn.Close()
		return nil, connectError(s.Name, s.Addr, err)
	}
	return sess, nil
}

// QueryContext reads on the session. Cancelling ctx breaks the connection.
func (s *Session) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.conn.QueryContext(ctx, query, args...)
}

// QueryRowContext reads one row on the session. Cancelling ctx breaks the connection.
func (s *Session) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.conn.QueryRowContext(ctx, query, args...)
}

// ExecContext runs a statement on the session, without any time limit but ctx. Cancelling ctx
// breaks the connection and does not stop the statement: use Server.KillQuery.
func (s *Session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.conn.ExecContext(ctx, query, args...)
}

// Close ends the session; the server gives back its locks and settings.
func (s *Session) Close() error {
	if err := s.conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("close the session on %s: %w", s.Server.Name, err)
	}
	return nil
}
