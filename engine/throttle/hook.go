package throttle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Hook asks somebody outside, a command or a monitoring system, for the free bytes of a host. The
// answer is JSON: {"data": 536870912000, "tmp": 21474836480}; what is left out is not known. One
// answer serves both places, and whoever asks again within hookFresh.
type Hook struct {
	Command []string      // run without a shell, with PATH as its only variable
	URL     string        // asked by GET where there is no command
	Timeout time.Duration // of one question

	mu  sync.Mutex
	at  time.Time
	got answer
	err error
}

// answer is what a hook says, in bytes.
type answer struct {
	Data *int64 `json:"data"`
	Temp *int64 `json:"tmp"`
}

// hookFresh is how long an answer is good: a running statement is looked at every two seconds, and
// no disk fills that fast against a reserve of gigabytes.
const hookFresh = 10 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// Outside are the probes that need no server, best first.
type Outside struct{ Data, Temp FirstKnown }

// Data tells of the data directory.
func (h *Hook) Data() DiskProbe { return hookProbe{h, false} }

// Temp tells of temporary files.
func (h *Hook) Temp() DiskProbe { return hookProbe{h, true} }

// hookProbe is one place of a hook.
type hookProbe struct {
	hook *Hook
	temp bool
}

// Free implements DiskProbe.
func (p hookProbe) Free(ctx context.Context) (int64, bool, error) {
	a, err := p.hook.ask(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("ask the hook for the free disk: %w", err)
	}
	v := a.Data
	if p.temp {
		v = a.Temp
	}
	if v == nil {
		return 0, false, nil
	}
	return *v, true, nil
}

// ask answers from the last question while that is fresh.
func (h *Hook) ask(ctx context.Context) (answer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < hookFresh {
		return h.got, h.err
	}
	one, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	h.got, h.err = h.question(one)
	if ctx.Err() != nil { // who asked has gone: that is nobody else's answer
		return answer{}, context.Cause(ctx)
	}
	h.at = time.Now()
	return h.got, h.err
}

// question asks once.
func (h *Hook) question(ctx context.Context) (answer, error) {
	var a answer
	read := h.get
	if len(h.Command) > 0 {
		read = h.run
	}
	text, err := read(ctx)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, errors.New(`the answer is not JSON like {"data": 536870912000, "tmp": 21474836480}`)
	}
	for _, v := range []*int64{a.Data, a.Temp} {
		if v != nil && *v < 0 {
			return answer{}, fmt.Errorf("the answer has a size of %d bytes", *v)
		}
	}
	return a, nil
}

// run runs the command. Our own environment holds secrets and is not given to it.
func (h *Hook) run(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = time.Second
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run the command: %w", err)
	}
	return []byte(out.String()[:min(out.Len(), maxAnswer)]), nil
}

// get asks by HTTP.
func (h *Hook) get(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return nil, errors.New("the address is not usable")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, errors.New("there is no answer by HTTP") // the error would quote the address
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is HTTP status %d", res.StatusCode)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxAnswer))
}
