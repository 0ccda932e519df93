package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// basePath is where a command finds others. Ours may hold more than a plugin should meet.
const basePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// grace is how long a command may take to end by itself after SIGTERM; one that only answers
// questions gets none. It also bounds how long a process it left behind can hold its output open.
func (p *Plugin) grace(a Action) time.Duration {
	if a == Rebuild {
		return 5 * time.Second
	}
	return 500 * time.Millisecond
}

// start runs the command once and answers what it wrote. When it returns, nothing is left in the
// command's process group.
func (p *Plugin) start(ctx context.Context, req Request) ([]byte, error) {
	line, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Dir, cmd.Env = "/", p.environment()
	// A group of its own can be killed as a whole. PDEATHSIG ends the command when our process dies.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, p.stopSignal(req.Action)); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	cmd.WaitDelay = p.grace(req.Action)
	out := &bounded{over: func() { stop(errFlood) }}
	says := &lineLog{log: p.log, hide: p.hidden()}
	cmd.Stdout, cmd.Stderr = out, says
	leash, err := feed(cmd, append(line, '\n'), req.Action)
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	// PDEATHSIG is sent when the thread that started the command ends, so this one is kept.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start: %w", err), leash.Close())
	}
	err = cmd.Wait()
	_ = leash.Close()
	// Whoever is left in the group, after a good answer too. ESRCH is the rule.
	if kerr := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); kerr == nil {
		p.log.Warn("plugin left processes behind; they were killed", zap.String("action", string(req.Action)))
	}
	says.flush()
	switch {
	case errors.Is(context.Cause(ctx), errFlood):
		return nil, errFlood
	case err != nil:
		return nil, fmt.Errorf("it ended badly: %w", err)
	}
	return out.answer, nil
}

// stopSignal is how a command is told to stop. One that changes servers may clean up.
func (p *Plugin) stopSignal(a Action) syscall.Signal {
	if a == Rebuild {
		return syscall.SIGTERM
	}
	return syscall.SIGKILL
}

// feed gives the command its request. The standard input of rebuild stays open behind it: its end
// says stop, also when our process is gone.
func feed(cmd *exec.Cmd, line []byte, a Action) (io.Closer, error) {
	if a != Rebuild {
		cmd.Stdin = bytes.NewReader(line)
		return io.NopCloser(nil), nil
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if _, err := in.Write(line); err != nil { // a pipe holds 64 KiB, a request has less than 4
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// environment is what the command gets; nothing of ours.
func (p *Plugin) environment() []string {
	env := []string{"PATH=" + basePath, "LANG=C.UTF-8"}
	for k, v := range p.Env {
		env = append(env, k+"="+v) // the last of one name counts
	}
	return env
}

// hidden are the values of the environment that must not be logged; short ones hide more than they
// protect.
func (p *Plugin) hidden() (out []string) {
	for _, v := range p.Env {
		if len(v) >= 6 {
			out = append(out, v)
		}
	}
	return out
}

// errFlood says that a plugin wrote more than an answer.
var errFlood = fmt.Errorf("it wrote more than %d KiB", maxAnswer>>10)

// bounded keeps an answer and reports one that is too long, once.
type bounded struct {
	answer []byte
	over   func()
}

// Write implements io.Writer; what is too much is dropped.
func (b *bounded) Write(p []byte) (int, error) {
	if len(b.answer)+len(p) > maxAnswer {
		b.over()
	} else {
		b.answer = append(b.answer, p...)
	}
	return len(p), nil
}
