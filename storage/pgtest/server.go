// Package pgtest runs a throw-away PostgreSQL server for tests: in a temporary folder, as an
// unprivileged user, on a socket only. It does not import testing.
//
// A missing server is an error that names the command to install one, never a reason to skip.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrMissing says that no PostgreSQL server is installed.
var ErrMissing = errors.New("no PostgreSQL server found: apt-get install -y postgresql")

// bootTime bounds initdb and the start of the server on a busy machine.
const bootTime = 2 * time.Minute

// Server is a running server. Stop it.
type Server struct {
	dir    string
	binary string
	who    *syscall.Credential // nil: as we are
	cmd    *exec.Cmd           // nil: it is down
	exited chan error
	made   atomic.Int64
}

// find returns the newest installed program of the server's package.
func find(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	best, version := "", -1
	for _, path := range found {
		v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && v > version {
			best, version = path, v
		}
	}
	if best != "" {
		return best, nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", ErrMissing
}

// credential is who runs the server: PostgreSQL refuses root.
func credential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil // as we are
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// Start boots a server and waits until it answers.
func Start(ctx context.Context) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := find("postgres")
	if err != nil {
		return nil, err
	}
	who, err := credential()
	if err != nil {
		return nil, fmt.Errorf("find an unprivileged user: %w", err)
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, binary: postgres, who: who, exited: make(chan error, 1)}
	if err := s.boot(ctx, initdb); err != nil {
		return nil, errors.Join(fmt.Errorf("boot PostgreSQL: %w", err), s.Stop())
	}
	return s, nil
}

// boot initialises the folder and starts the server in it.
func (s *Server) boot(ctx context.Context, initdb string) error {
	if s.who != nil {
		if err := os.Chown(s.dir, int(s.who.Uid), int(s.who.Gid)); err != nil {
			return err
		}
	}
	setup := exec.CommandContext(ctx, initdb, "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	setup.Dir, setup.SysProcAttr = s.dir, s.attr()
	if out, err := setup.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s.start(ctx)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// attr makes a process that does not outlive a test program that dies.
func (s *Server) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: s.who, Pdeathsig: syscall.SIGQUIT}
}

// Resume starts a halted server again, on its data.
func (s *Server) Resume(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("resume PostgreSQL: %w", err)
	}
	return nil
}

// Halt ends the server and all its connections, and keeps its data.
func (s *Server) Halt() error {
	err := s.cmd.Process.Signal(syscall.SIGINT)
	<-s.exited //nolint:errcheck // it was told to end
	s.cmd = nil
	return err
}

// start starts the server and waits until it answers.
func (s *Server) start(ctx context.Context) error {
	// Data of a test need not survive a power cut.
	cmd := exec.Command(s.binary, "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "full_page_writes=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB")
	cmd.Dir, cmd.SysProcAttr = s.dir, s.attr()
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	go func() { s.exited <- cmd.Wait() }() // Stop waits for it
	for {
		conn, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case werr := <-s.exited:
			s.cmd = nil
			return fmt.Errorf("the server ended: %w: %s", werr, log.String())
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// url is where a database of the server is.
func (s *Server) url(database string) string {
	return "postgres://postgres@/" + database + "?host=" + s.dir
}

// Create makes a database, as a copy of template when that is not empty, and returns its URL and
// its name. Nobody may be connected to the template.
func (s *Server) Create(ctx context.Context, template string) (url, name string, err error) {
	name = "db" + strconv.FormatInt(s.made.Add(1), 10)
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return "", "", fmt.Errorf("connect: %w", err)
	}
	query := "CREATE DATABASE " + name
	if template != "" {
		query += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	_, err = conn.Exec(ctx, query)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return "", "", fmt.Errorf("create database: %w", err)
	}
	return s.url(name), name, nil
}

// Stop ends the server at once and removes its folder.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return os.RemoveAll(s.dir)
	}
	err := s.cmd.Process.Signal(syscall.SIGQUIT)
	<-s.exited //nolint:errcheck // it was told to die; how it did so says nothing
	return errors.Join(err, os.RemoveAll(s.dir))
}
