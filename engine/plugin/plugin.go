package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Spec says where a plugin is and how long it may take. It has either a Command or a URL.
type Spec struct {
	Name    string
	Kind    Kind
	Command []string          // absolute path and arguments
	Env     map[string]string // of the command; values never reach a log
	URL     string
	Token   string        // sent to URL as a bearer token
	Timeout time.Duration // of one action other than hello; 2 s for a validator and disk, 1 min for a hook, 24 h for rebuild
	Account string        // executor: the user of its sessions on servers
	Tables  []string      // executor: schema.table with * for any text; none: all
	Always  bool          // executor: takes also what the server could rebuild online
}

// Plugin asks one program.
type Plugin struct {
	Spec
	log    *zap.Logger
	client *http.Client
}

// New returns a plugin; nothing is started before it is asked.
func New(s Spec, log *zap.Logger) *Plugin {
	if s.Timeout <= 0 {
		s.Timeout = map[Kind]time.Duration{Validator: 2 * time.Second, Disk: 2 * time.Second, Hook: time.Minute, Executor: 24 * time.Hour}[s.Kind]
	}
	return &Plugin{Spec: s, log: log.With(zap.String("plugin", s.Name)), client: &http.Client{
		// No proxy and no kept connection: whoever answers is who is configured, now. A redirect
		// would take the token elsewhere.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// shortTimeout bounds what a plugin answers from its head: hello, can.
const shortTimeout = 10 * time.Second

// Ask asks one question. The error is an *Error; an answer that is no is none.
func (p *Plugin) Ask(ctx context.Context, req Request) (Answer, error) {
	limit := p.Timeout
	if req.Action == Hello || req.Action == Can {
		limit = shortTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTime)
	defer cancel()
	if end, ok := ctx.Deadline(); ok {
		req.Timeout = time.Until(end).Round(time.Millisecond).Seconds()
	}
	req.Contract = Contract
	ask := p.post
	if p.URL == "" {
		ask = p.start
	}
	out, err := ask(ctx, req)
	var a Answer
	if err == nil {
		a, err = parse(out, req)
	}
	if err != nil {
		return Answer{}, p.broken(ctx, req.Action, err, limit)
	}
	return a, nil
}

// About is what a plugin says of itself.
type About struct {
	Version string
	Note    string // what it adds, in words
}

// Hello is the handshake: the plugin speaks our contract, is of the kind it is configured as, and
// feels able to work.
func (p *Plugin) Hello(ctx context.Context) (About, error) {
	a, err := p.Ask(ctx, Request{Action: Hello})
	if err != nil {
		return About{}, err
	}
	switch {
	case a.Kind != p.Kind:
		return About{}, &Error{Plugin: p.Name, Action: Hello, Text: fmt.Sprintf("The plugin %s is no %s: it says it is %q.", p.Name, p.Kind, a.Kind),
			Next: "Correct its kind in the configuration."}
	case a.Result != resultOK:
		return About{}, p.no(Hello, a)
	case a.Version == "":
		return About{}, p.broken(ctx, Hello, fmt.Errorf("%w: it tells no version", errGarbage), shortTimeout)
	}
	return About{Version: a.Version, Note: a.Sentence}, nil
}

// Error says that a plugin gave no answer, or that its answer was no.
type Error struct {
	Plugin string
	Action Action
	No     bool   // it said no
	Text   string // for people
	Next   string
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("plugin %s: %s: %s", e.Plugin, e.Action, e.Text)
	if e.Err != nil {
		s += " (" + e.Err.Error() + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Sentence is what a person reads.
func (e *Error) Sentence() string { return e.Text }

// Hint is the next step.
func (e *Error) Hint() string { return e.Next }

// errTime is the cause of a context that ended because the plugin took too long.
var errTime = errors.New("the time was over")

// broken is the error of a plugin that gave no answer.
func (p *Plugin) broken(ctx context.Context, action Action, err error, limit time.Duration) *Error {
	e := &Error{Plugin: p.Name, Action: action, Err: err, Next: "The log has what it wrote; recycler doctor asks it again."}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errTime), errors.Is(cause, context.DeadlineExceeded):
		e.Text = fmt.Sprintf("The plugin %s did not answer %s within %s.", p.Name, action, limit)
	case cause != nil:
		e.Text, e.Err = fmt.Sprintf("The plugin %s was stopped.", p.Name), cause
	default:
		e.Text = fmt.Sprintf("The plugin %s gave no usable answer to %s: %s.", p.Name, action, err)
	}
	return e
}

// no is the error of a plugin that said no.
func (p *Plugin) no(action Action, a Answer) *Error {
	why := a.Sentence
	if why == "" {
		why = "it does not say why"
	}
	return &Error{Plugin: p.Name, Action: action, No: true, Text: fmt.Sprintf("The plugin %s says no to %s: %s.", p.Name, action, trimDot(why)),
		Next: "Ask who looks after the plugin."}
}

// trimDot lets a plugin's sentence end inside ours.
func trimDot(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '.' || s[len(s)-1] == ' ') {
		s = s[:len(s)-1]
	}
	return s
}
