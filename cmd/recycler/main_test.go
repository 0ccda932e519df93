package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/storage/pgtest"
)

// asProgram makes the test binary the program itself, so that processes can be killed for real.
const asProgram = "RECYCLER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		signal.Ignore(syscall.SIGXFSZ) // a limit of files stands for a full disk, which sends no signal
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	code := m.Run()
	if pg.server != nil {
		if err := pg.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// pg is one PostgreSQL server for all tests.
var pg struct {
	once   sync.Once
	server *pgtest.Server
	err    error
}

// databases are the URLs of a fresh database of each kind.
func databases(t *testing.T) map[string]string {
	t.Helper()
	pg.once.Do(func() { pg.server, pg.err = pgtest.Start(t.Context()) })
	require.NoError(t, pg.err)
	url, _, err := pg.server.Create(t.Context(), "")
	require.NoError(t, err)
	return map[string]string{"sqlite": "sqlite://" + t.TempDir() + "/state.db", "postgres": url}
}
