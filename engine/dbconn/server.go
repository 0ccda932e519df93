package dbconn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Server is one reached server: identity and version are read once, when it is opened.
// It holds a small pool for reading; statements that change anything run on a Session.
type Server struct {
	Name     string // configured name, or host:port
	Addr     Addr
	Identity Identity
	ServerID uint32
	Version  Version
	facts    Facts   // as told when the server was opened
	db       *sql.DB // for reading, bounded
	sessions *sql.DB // for Session, not bounded and never idle
	access   *Access
}

// Querier is what reading code needs; Server and Session both are one.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

var (
	_ Querier = (*Server)(nil)
	_ Querier = (*Session)(nil)
)

// Sizes of the reading pool: a few readers at once per server, one kept warm.
const (
	maxOpenConns = 4
	maxIdleConns = 1
)

// Open reaches a server, asks it what it is and returns it. The error is a *NotAllowedError or a
// *ConnectError. Close the server when done.
func (a *Access) Open(ctx context.Context, addr Addr) (*Server, error) {
	if !a.Allowed(addr) {
		return nil, &NotAllowedError{Addr: addr, Cluster: a.Cluster}
	}
	s := &Server{Name: a.NameOf(addr), Addr: addr, access: a}
	reader, err := s.connector(a.readTimeout())
	if err != nil {
		return nil, connectError(s.Name, addr, err)
	}
	s.db = sql.OpenDB(reader)
	s.db.SetMaxOpenConns(maxOpenConns)
	s.db.SetMaxIdleConns(maxIdleConns)
	if err := s.openSessions(); err != nil {
		_ = s.db.Close()
		return nil, connectError(s.Name, addr, err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.dialTimeout())
	defer cancel()
	conn, err := s.db.Conn(ctx) // the connector fills in who answered
	if err != nil {
		_ = s.Close()
		return nil, connectError(s.Name, addr, err)
	}
	if err := conn.Close(); err != nil {
		_ = s.Close()
		return nil, connectError(s.Name, addr, err)
	}
	return s, nil
}

// openSessions prepares the pool of sessions; nothing is dialled yet.
func (s *Server) openSessions() error {
	c, err := s.connector(0)
	if err != nil {
		return err
	}
	s.sessions = sql.OpenDB(c)
	s.sessions.SetMaxIdleConns(0) // a closed session is a closed connection, with its locks and settings
	return nil
}

// Facts are what the server told when it was opened.
func (s *Server) Facts() Facts { return s.facts }

// Access is what the server was opened with.
func (s *Server) Access() *Access { return s.access }

// QueryContext reads on a pooled connection, bounded by Access.ReadTimeout.
func (s *Server) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.db.QueryContext(ctx, query, args...)
}

// QueryRowContext reads one row on a pooled connection, bounded by Access.ReadTimeout.
func (s *Server) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.db.QueryRowContext(ctx, query, args...)
}

// ErrNotRunning says that a connection no longer runs the statement with the given tag.
var ErrNotRunning = errors.New("the connection does not run that statement any more")

// KillQuery ends the statement of a connection, only if its text still holds tag; else
// ErrNotRunning. A KILL is a wish: in its last phases a rebuild ignores it and ends well, so the
// caller looks at how the statement ended.
func (s *Server) KillQuery(ctx context.Context, connID uint64, tag string) error {
	if tag == "" {
		return fmt.Errorf("kill the statement of connection %d on %s: no tag given", connID, s.Name)
	}
	conn, err := s.spare(ctx)
	if err != nil {
		return fmt.Errorf("kill the statement of connection %d on %s: %w", connID, s.Name, err)
	}
	defer func() { _ = conn.Close() }()
	var info sql.NullString
	err = conn.QueryRowContext(ctx, "SELECT INFO FROM information_schema.PROCESSLIST WHERE ID = ?", connID).Scan(&info)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("kill the statement of connection %d on %s: %w", connID, s.Name, ErrNotRunning)
	case err != nil:
		return fmt.Errorf("look at connection %d on %s: %w", connID, s.Name, err)
	case !strings.Contains(info.String, tag):
		return fmt.Errorf("kill the statement of connection %d on %s: %w", connID, s.Name, ErrNotRunning)
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("KILL QUERY %d", connID))
	if Code(err) == 1094 { // ER_NO_SUCH_THREAD: it ended between the look and the kill
		return fmt.Errorf("kill the statement of connection %d on %s: %w", connID, s.Name, ErrNotRunning)
	}
	if err != nil {
		return fmt.Errorf("kill the statement of connection %d on %s: %w", connID, s.Name, err)
	}
	return nil
}

// spareWait is how long a kill waits for a connection of the pool.
const spareWait = 300 * time.Millisecond

// spare is a connection for what must not wait behind readers that hang: one of the pool if it is free,
// else a new one.
func (s *Server) spare(ctx context.Context) (*sql.Conn, error) {
	short, cancel := context.WithTimeout(ctx, spareWait)
	defer cancel()
	if conn, err := s.db.Conn(short); err == nil {
		return conn, nil
	}
	return s.sessions.Conn(ctx)
}

// KillConnection ends a session of an account that another session saw there. One that has ended by
// itself is no error.
func (s *Server) KillConnection(ctx context.Context, connID uint64) error {
	if _, err := s.db.ExecContext(ctx, fmt.Sprintf("KILL CONNECTION %d", connID)); err != nil && Code(err) != 1094 {
		return fmt.Errorf("end connection %d on %s: %w", connID, s.Name, err)
	}
	return nil
}

// Close closes all connections of the server but its sessions that are still open.
func (s *Server) Close() error {
	if err := errors.Join(s.db.Close(), s.sessions.Close()); err != nil {
		return fmt.Errorf("close %s: %w", s.Name, err)
	}
	return nil
}
