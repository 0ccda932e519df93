package dbconn

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-sql-driver/mysql"
)

// connector dials connections of one server and asks each of them who answered, so that a pool
// never mixes two servers behind one address.
type connector struct {
	driver.Connector
	server *Server
}

// connector builds the connector of a server. readTimeout bounds each answer; 0 does not. The secret
// is read at each dial.
func (s *Server) connector(readTimeout time.Duration) (driver.Connector, error) {
	c := s.config(readTimeout)
	c.Timeout = s.access.dialTimeout()
	if s.access.Password != nil {
		if err := c.Apply(mysql.BeforeConnect(s.password)); err != nil {
			return nil, fmt.Errorf("prepare the connection: %w", err)
		}
	}
	return s.dialer(c)
}

// visitor builds the connector of a single connection, whose dial the caller's context bounds. A
// walk holds a thousand of them, so the secret is read here and no copy of the configuration made.
func (s *Server) visitor(ctx context.Context) (driver.Connector, error) {
	c := s.config(s.access.readTimeout())
	c.MultiStatements = true
	if s.access.Password != nil {
		if err := s.password(ctx, c); err != nil {
			return nil, err
		}
	}
	return s.dialer(c)
}

// dialer makes a connector of a configuration.
func (s *Server) dialer(c *mysql.Config) (driver.Connector, error) {
	base, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection: %w", err)
	}
	return &connector{Connector: base, server: s}, nil
}

// config is what all connections to a server have in common.
func (s *Server) config(readTimeout time.Duration) *mysql.Config {
	c := mysql.NewConfig()
	c.User = s.access.User
	c.Net = "tcp"
	c.Addr = s.Addr.canonical().String()
	c.ReadTimeout = readTimeout
	c.WriteTimeout = s.access.readTimeout()
	c.InterpolateParams = true // one round trip instead of three; utf8mb4 makes it safe
	c.DialFunc = s.access.dial
	c.Logger = &mysql.NopLogger{} // every error it would print is also returned
	c.ConnectionAttributes = "program_name:mysql-recycler"
	if s.access.TLS != nil {
		c.TLS = s.access.TLS.Clone()
		if c.TLS.ServerName == "" && !c.TLS.InsecureSkipVerify {
			c.TLS.ServerName = s.Addr.Host
		}
		c.TLS.MinVersion = max(c.TLS.MinVersion, tls.VersionTLS12)
	}
	return c
}

// password reads the secret for one dial. Its own error is not passed on: it could quote the secret.
func (s *Server) password(_ context.Context, c *mysql.Config) error {
	secret, err := s.access.Password()
	if err != nil {
		return errSecret
	}
	c.Passwd = secret
	return nil
}

// Connect implements driver.Connector. Only the first connection of a server decides who it is;
// Open waits for it before anybody else can ask for one.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.identify(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// identify asks a fresh connection who answered, and compares.
func (c *connector) identify(ctx context.Context, conn driver.Conn) error {
	facts, err := driverFacts(ctx, conn)
	if Code(err) != 0 {
		if relay, ok := relayFacts(c.server.Addr, driverAll(ctx, conn, relaySQL)); ok {
			facts, err = relay, nil
		}
	}
	if err != nil {
		return err
	}
	id, err := facts.Identity()
	if err != nil {
		return err
	}
	if c.server.Identity != "" {
		if c.server.Identity != id {
			return fmt.Errorf("%w: %s, it was %s", errIdentity, id, c.server.Identity)
		}
		return nil
	}
	version, err := facts.Version()
	if err != nil {
		return err
	}
	c.server.Identity, c.server.ServerID, c.server.Version, c.server.facts = id, facts.ServerID(), version, facts
	return nil
}

// driverFacts runs FactsSQL on a connection that database/sql does not own yet.
func driverFacts(ctx context.Context, conn driver.Conn) (Facts, error) {
	answer := driverAsk(ctx, conn, FactsSQL)
	if answer.Err != nil {
		return nil, fmt.Errorf("ask the server what it is: %w", answer.Err)
	}
	return FactsOf(answer.Rows), nil
}

// driverAll runs statements one after the other.
func driverAll(ctx context.Context, conn driver.Conn, statements []string) []Answer {
	out := make([]Answer, len(statements))
	for n, sql := range statements {
		out[n] = driverAsk(ctx, conn, sql)
	}
	return out
}

// driverAsk runs one statement on a connection that database/sql does not own.
func driverAsk(ctx context.Context, conn driver.Conn, statement string) Answer {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return Answer{Err: errors.New("the driver cannot query")}
	}
	rows, err := q.QueryContext(ctx, statement, nil)
	if err != nil {
		return Answer{Err: err}
	}
	defer func() { _ = rows.Close() }()
	all, err := driverRows(rows)
	return Answer{Rows: all, Err: err}
}

// driverRows reads the current result set of a connection that database/sql does not own. Discovery
// reads thousands of them: a row is one string that its values share, and rows are made in batches.
func driverRows(rows driver.Rows) ([]Row, error) {
	columns := rows.Columns()
	values := make([]driver.Value, len(columns))
	var out []Row
	var free []sql.NullString
	var all []byte // of one row; the driver reuses its own bytes
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if len(free) < len(columns) {
			free = make([]sql.NullString, len(columns)*min(len(out)+1, 16))
		}
		row := free[:len(columns):len(columns)]
		free = free[len(columns):]
		all = all[:0]
		for _, v := range values {
			all = appendText(all, v)
		}
		rest := string(all)
		for n, v := range values {
			if size := textSize(v); v != nil {
				row[n], rest = sql.NullString{String: rest[:size], Valid: true}, rest[size:]
			}
		}
		out = append(out, Row{columns, row})
	}
}

// appendText appends a value of the text protocol.
func appendText(to []byte, v driver.Value) []byte {
	switch v := v.(type) {
	case []byte:
		return append(to, v...)
	case string:
		return append(to, v...)
	case nil:
		return to
	}
	return fmt.Append(to, v)
}

// textSize is how many bytes appendText appends.
func textSize(v driver.Value) int {
	switch v := v.(type) {
	case []byte:
		return len(v)
	case string:
		return len(v)
	}
	return len(appendText(nil, v))
}
