package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// bot is the recycler as a process of its own, so that killing it is real.
type bot struct {
	binary string
	config string
	log    string
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
	err    error         // why, valid after ended
}

// start runs "recycler serve". Its log is appended to a file: it is shown only when something
// goes wrong.
func (b *bot) start() error {
	bin := b.binary
	if bin == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		bin = self
	}
	f, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // the child has its own copy
	b.cmd = exec.Command(bin, "serve", "--config", b.config)
	b.cmd.Stdout, b.cmd.Stderr = f, f
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.cmd.Start(); err != nil {
		return fmt.Errorf("start the bot: %w", err)
	}
	b.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { // ends with the process; stop and kill wait for it
		b.err = cmd.Wait()
		close(ended)
	}(b.cmd, b.ended)
	return nil
}

// kill ends the process as a crash does, and waits until it is gone.
func (b *bot) kill() error {
	if err := b.cmd.Process.Kill(); err != nil {
		return err
	}
	<-b.ended
	return nil
}

// stop asks the process to end, and insists after a while.
func (b *bot) stop() error {
	if b.cmd == nil || b.cmd.Process == nil {
		return nil
	}
	select {
	case <-b.ended:
		return nil
	default:
	}
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-b.ended:
		return nil
	case <-time.After(15 * time.Second):
		return errors.Join(errors.New("the bot did not stop within 15 s of SIGTERM"), b.kill())
	}
}

// beside runs f until it ends, or until the process does.
func (b *bot) beside(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }() // ends with ctx, waited for below
	select {
	case err := <-done:
		return err
	case <-b.ended:
		cancel(errors.New("the bot ended"))
		return errors.Join(fmt.Errorf("the bot ended: %w", b.err), <-done)
	}
}

// tail is the end of the process's log.
func (b *bot) tail() string {
	text, err := os.ReadFile(b.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}
