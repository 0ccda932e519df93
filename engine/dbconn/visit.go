package dbconn

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Visit is one short look at a server: a single connection without a pool, on which several
// constant statements travel in one round trip. It serves discovery, which opens thousands. It
// knows no values, no transactions and no second use; never send a statement with input in it.
type Visit struct {
	Name     string // configured name, or host:port
	Addr     Addr
	Identity Identity
	ServerID uint32
	Facts    Facts
	conn     driver.Conn
}

// Answer is what one statement returned.
type Answer struct {
	Rows []Row
	Err  error
}

// Visit reaches a server within DialTimeout, until a point in time at the latest, and asks it what
// it is. Its errors are those of Open.
func (a *Access) Visit(ctx context.Context, addr Addr, until time.Time) (*Visit, error) {
	if !a.Allowed(addr) {
		return nil, &NotAllowedError{Addr: addr, Cluster: a.Cluster}
	}
	s := &Server{Name: a.NameOf(addr), Addr: addr, access: a}
	if soonest := time.Now().Add(a.dialTimeout()); soonest.Before(until) {
		until = soonest
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	dialer, err := s.visitor(ctx)
	if err != nil {
		return nil, connectError(s.Name, addr, err)
	}
	conn, err := dialer.Connect(ctx)
	if err != nil {
		return nil, connectError(s.Name, addr, err)
	}
	return &Visit{Name: s.Name, Addr: addr, Identity: s.Identity, ServerID: s.ServerID, Facts: s.facts, conn: conn}, nil
}

// Close ends the visit.
func (v *Visit) Close() error {
	if err := v.conn.Close(); err != nil {
		return fmt.Errorf("close the visit to %s: %w", v.Name, err)
	}
	return nil
}

// Ask runs reading statements and returns one answer each, in order; an error of one does not stop
// the others. They travel in one packet. A server stops at the first that fails, so the rest is
// sent again from there: one round trip more per failing statement.
//
// A binlog server takes one statement at a time.
func (v *Visit) Ask(ctx context.Context, statements []string) []Answer {
	if v.Facts.Relay() {
		return driverAll(ctx, v.conn, statements)
	}
	answers := make([]Answer, 0, len(statements))
	for len(answers) < len(statements) {
		got, err := v.once(ctx, statements[len(answers):])
		answers = append(answers, got...)
		if err == nil {
			continue
		}
		answers = append(answers, Answer{Err: err})
		for Lost(err) && len(answers) < len(statements) {
			answers = append(answers, Answer{Err: err})
		}
	}
	return answers
}

// once sends the statements and returns the answers up to the first error.
func (v *Visit) once(ctx context.Context, statements []string) ([]Answer, error) {
	q, ok := v.conn.(driver.QueryerContext)
	if !ok {
		return nil, errors.New("visit: the driver cannot query")
	}
	rows, err := q.QueryContext(ctx, strings.Join(statements, "; "), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	next, ok := rows.(driver.RowsNextResultSet)
	if !ok {
		return nil, errors.New("visit: the driver reads one result only")
	}
	answers := make([]Answer, 0, len(statements))
	for {
		all, err := driverRows(rows)
		if err != nil {
			return answers, err
		}
		answers = append(answers, Answer{Rows: all})
		if len(answers) == len(statements) {
			return answers, nil
		}
		if err := next.NextResultSet(); errors.Is(err, io.EOF) {
			return answers, fmt.Errorf("read the answers of %s: %d of %d came", v.Name, len(answers), len(statements))
		} else if err != nil {
			return answers, err
		}
	}
}

// AskAll runs reading statements one after the other on any connection and returns one answer
// each, in order; an error of one does not stop the others.
func AskAll(ctx context.Context, q Querier, statements []string) []Answer {
	answers := make([]Answer, 0, len(statements))
	for _, sql := range statements {
		answers = append(answers, ask(ctx, q, sql))
	}
	return answers
}

// ask runs one statement to its end.
func ask(ctx context.Context, q Querier, sql string) Answer {
	rows, err := q.QueryContext(ctx, sql)
	if err != nil {
		return Answer{Err: err}
	}
	defer func() { _ = rows.Close() }()
	all, err := ReadRows(rows)
	return Answer{Rows: all, Err: err}
}
