package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tidwall/gjson"
)

// maxAnswer is more than any inventory says about one server.
const maxAnswer = 1 << 20

// answer is a JSON body.
type answer []byte

// at is the value at a path; false for none, for null and for an empty path.
func (a answer) at(path string) (string, bool) {
	if path == "" {
		return "", false
	}
	v := gjson.GetBytes(a, path)
	return v.String(), v.Exists() && v.Type != gjson.Null
}

// errFinal marks an answer that asking again does not change.
var errFinal = errors.New("final")

// ask asks until there is an answer or the attempts are used up. Trouble is said without the URL
// and without the body: both may carry secrets.
func (v *external) ask(ctx context.Context, at string) (answer, error) {
	for n := 0; ; n++ {
		body, err := v.get(ctx, at)
		if err == nil || n >= v.c.Retries || errors.Is(err, errFinal) {
			return body, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Duration(n+1) * 100 * time.Millisecond):
		}
	}
}

// get asks once.
func (v *external) get(ctx context.Context, at string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, v.c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the external source: the URL is not valid: %w", errFinal)
	}
	for k, h := range v.c.Header {
		req.Header.Set(k, h)
	}
	resp, err := v.c.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the external source: no answer within %s", v.c.Timeout)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, errors.New("ask the external source: the answer broke off")
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("ask the external source: status %d", resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("ask the external source: status %d: %w", resp.StatusCode, errFinal)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("ask the external source: an answer of more than %d bytes: %w", maxAnswer, errFinal)
	case !gjson.ValidBytes(body):
		return nil, fmt.Errorf("ask the external source: the answer is not JSON: %w", errFinal)
	}
	return body, nil
}
