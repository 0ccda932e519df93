package guard

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// ExternalConfig says how another system (orchestrator, a CMDB) is asked what a server is.
type ExternalConfig struct {
	URL     string            // template: {host}, {port}, {name}, {cluster}; empty: nobody is asked
	Path    string            // where the answer is, in gjson syntax: "role", "Key.Hostname"
	Replica []string          // values at Path that mean a replica, compared without case
	Header  map[string]string // for instance Authorization
	Timeout time.Duration     // of one request; 2 s if zero
	Retries int               // further attempts after trouble
	Client  *http.Client      // nil: a client of its own
}

// external asks another system. Only a value that is listed as a replica's lets the server pass.
type external struct {
	c ExternalConfig
}

// NewExternal returns the validator.
func NewExternal(c ExternalConfig) Validator {
	if c.Timeout <= 0 {
		c.Timeout = 2 * time.Second
	}
	if c.Client == nil {
		c.Client = &http.Client{}
	}
	return &external{c: c}
}

// Name implements Validator.
func (*external) Name() string { return "external" }

// Judge implements Validator.
func (v *external) Judge(ctx context.Context, s Subject) Finding {
	if s.primaryAllowed() {
		return s.accept(v, fmt.Sprintf("%s is the primary, which the cluster's policy allows", s.name()), "")
	}
	at := v.address(s)
	value, err := v.ask(ctx, at)
	if err != nil {
		return s.unknown(v, fmt.Sprintf("the external source of truth did not answer about %s", s.name()), err.Error())
	}
	evidence := fmt.Sprintf("%s is %q, read at %s", v.c.Path, value, time.Now().Format("15:04:05"))
	if slices.ContainsFunc(v.c.Replica, func(r string) bool { return strings.EqualFold(r, value) }) {
		return s.accept(v, fmt.Sprintf("%s is a replica for the external source of truth", s.name()), evidence)
	}
	return s.refuse(v, fmt.Sprintf("%s is %q for the external source of truth", s.name(), value), evidence)
}

// address fills in the template.
func (v *external) address(s Subject) string {
	return strings.NewReplacer(
		"{host}", url.PathEscape(s.Instance.Addr.Host),
		"{port}", strconv.Itoa(s.Instance.Addr.Port),
		"{name}", url.PathEscape(s.Instance.Name),
		"{cluster}", url.PathEscape(s.Topology.Cluster),
	).Replace(v.c.URL)
}

// maxAnswer is more than any inventory says about one server.
const maxAnswer = 1 << 20

// ask asks until there is an answer or the attempts are used up.
func (v *external) ask(ctx context.Context, at string) (string, error) {
	var err error
	for n := 0; n <= v.c.Retries; n++ {
		if n > 0 {
			select {
			case <-ctx.Done():
				return "", err
			case <-time.After(time.Duration(n) * 100 * time.Millisecond):
			}
		}
		var value string
		if value, err = v.get(ctx, at); err == nil {
			return value, nil
		}
	}
	return "", err
}

// get asks once. The URL is left out of errors: it may carry a token.
func (v *external) get(ctx context.Context, at string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, v.c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", fmt.Errorf("ask the external source: bad URL")
	}
	for k, h := range v.c.Header {
		req.Header.Set(k, h)
	}
	resp, err := v.c.Client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask the external source: no answer within %s", v.c.Timeout)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return "", fmt.Errorf("ask the external source: the answer broke off")
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("ask the external source: status %d", resp.StatusCode)
	case !gjson.ValidBytes(body):
		return "", fmt.Errorf("ask the external source: the answer is not JSON")
	}
	value := gjson.GetBytes(body, v.c.Path)
	if !value.Exists() {
		return "", fmt.Errorf("ask the external source: nothing at %s", v.c.Path)
	}
	return value.String(), nil
}
