package rebuild

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
)

// envChild makes the test binary a runner that a test kills; its value is an order.
const envChild = "RECYCLER_REBUILD_CHILD"

// order is what a child does.
type order struct {
	Addr dbconn.Addr
	Slot int
	Task Task
	Mark string // file the mark is stored in

	Wait bool // the child reads a byte when it has stored the mark, before it goes on
}

// child runs one task like the product does, with the mark in a file. It says "sent" when the mark
// is durable, which is immediately before the statement.
func child() {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(envChild)), &o); err != nil {
		panic(err)
	}
	ctx := context.Background()
	a := &dbconn.Access{Cluster: "test", User: testUser, Password: func() (string, error) { return testPass, nil },
		Hosts: []dbconn.Host{{Name: "child", Addr: o.Addr}}, DialTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second}
	srv, err := a.Open(ctx, o.Addr)
	if err != nil {
		panic(err)
	}
	f, err := Acquire(ctx, srv, o.Slot, nil)
	if err != nil {
		panic(err)
	}
	res, err := f.Run(ctx, o.Task, Hooks{
		Permit: func(context.Context, *dbconn.Session) error { return nil },
		Begin: func(_ context.Context, m Mark) error {
			b, err := json.Marshal(m)
			if err != nil {
				return err
			}
			if err := os.WriteFile(o.Mark+".new", b, 0o600); err != nil {
				return err
			}
			if err := os.Rename(o.Mark+".new", o.Mark); err != nil {
				return err
			}
			fmt.Println("sent")
			if o.Wait {
				_, err = os.Stdin.Read(make([]byte, 1))
			}
			return err
		},
		Change:   func(Change) error { return nil },
		Restored: func(Change) error { return nil },
	})
	fmt.Println("ended", res.Outcome, err)
}

// runner is a child process.
type runner struct {
	cmd  *exec.Cmd
	mark string
	out  *bufio.Scanner
	in   io.Writer
}

// start starts a child that runs the task.
func (e *env) start(t *testing.T, task Task) *runner {
	t.Helper()
	return e.order(t, order{Task: task})
}

// order starts a child that carries out an order.
func (e *env) order(t *testing.T, o order) *runner {
	t.Helper()
	r := &runner{mark: t.TempDir() + "/mark"}
	o.Addr, o.Slot, o.Mark = e.srv.Addr, e.slot, r.mark
	b, err := json.Marshal(o)
	require.NoError(t, err)
	r.cmd = exec.Command(os.Args[0])
	r.cmd.Env = append(os.Environ(), envChild+"="+string(b))
	r.cmd.Stderr = os.Stderr
	r.in, err = r.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	r.out = bufio.NewScanner(out)
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	})
	return r
}

// kill ends the child as a power failure does.
func (r *runner) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Kill())
	_ = r.cmd.Wait()
}

// stored reads the mark the child stored, zero when it came not that far.
func (r *runner) stored(t *testing.T) Mark {
	t.Helper()
	var m Mark
	b, err := os.ReadFile(r.mark)
	if os.IsNotExist(err) {
		return m
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &m))
	return m
}
