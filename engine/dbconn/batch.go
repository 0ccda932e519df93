package dbconn

import (
	"context"
	"fmt"
	"strings"
)

// Answer is what one statement of AskAll returned.
type Answer struct {
	Rows []Row
	Err  error
}

// AskAll runs reading statements and returns one answer each, in order; an error of one does not
// stop the others, unless the connection is lost. On a Server from Visit they travel in one round
// trip, elsewhere one after the other. The statements must be constants: see Visit.
func AskAll(ctx context.Context, q Querier, statements []string) []Answer {
	if s, ok := q.(*Server); ok && s.sessions == nil {
		return s.batch(ctx, statements)
	}
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

// batch sends the statements in one packet. The server stops at the first that fails, so the
// rest is sent again from there: one round trip more per failing statement.
func (s *Server) batch(ctx context.Context, statements []string) []Answer {
	answers := make([]Answer, 0, len(statements))
	for len(answers) < len(statements) {
		got, err := s.batchOnce(ctx, statements[len(answers):])
		answers = append(answers, got...)
		if err == nil {
			continue
		}
		answers = append(answers, Answer{Err: err})
		if Lost(err) {
			for len(answers) < len(statements) {
				answers = append(answers, Answer{Err: err})
			}
		}
	}
	return answers
}

// batchOnce sends the statements and returns the answers up to the first error.
func (s *Server) batchOnce(ctx context.Context, statements []string) ([]Answer, error) {
	rows, err := s.db.QueryContext(ctx, strings.Join(statements, "; "))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var answers []Answer
	for {
		all, err := ReadRows(rows)
		if err != nil {
			return answers, err
		}
		answers = append(answers, Answer{Rows: all})
		if len(answers) == len(statements) {
			return answers, nil
		}
		if !rows.NextResultSet() {
			if err := rows.Err(); err != nil {
				return answers, err
			}
			return answers, fmt.Errorf("read the answers of %s: %d of %d came", s.Name, len(answers), len(statements))
		}
	}
}
