package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"mysql-recycler/engine"
)

// Client calls a server. It is what the command line uses.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// ClientOptions say whom to call and as whom.
type ClientOptions struct {
	Server   string // http://127.0.0.1:8080
	Token    string
	CA       *x509.CertPool // nil: the system's
	Insecure bool           // send the token to another machine without TLS
}

// Refusal is a server's problem as an error for people.
type Refusal struct{ Problem }

// Sentence is what is wrong.
func (r *Refusal) Sentence() string { return r.Detail }

// Hint is what to do about it, after further reasons.
func (r *Refusal) Hint() string {
	lines := append([]string{}, r.Reasons...)
	if r.Problem.Hint != "" {
		lines = append(lines, r.Problem.Hint)
	}
	return strings.Join(lines, "\n")
}

// Unreachable says that no answer came.
type Unreachable struct {
	Server string
	Err    error
}

// Error implements error.
func (u *Unreachable) Error() string { return "call " + u.Server + ": " + u.Err.Error() }

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// Sentence is what is wrong.
func (u *Unreachable) Sentence() string {
	return "The server " + u.Server + " does not answer: " + u.Err.Error()
}

// Hint is what to do about it.
func (u *Unreachable) Hint() string { return "Is it running with api.listen set? --server names it." }

// NewClient checks whom to call. A token is not sent to another machine in plain text unless that
// was asked for.
func NewClient(o ClientOptions) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(o.Server, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return nil, errors.New("the server must be an http or https URL, for example http://127.0.0.1:8080")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && !o.Insecure && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("the token would travel to " + u.Host + " in plain text; use https")
	}
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.CA}}
	return &Client{base: u, token: o.Token, http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a redirect could carry the token elsewhere
	}}}, nil
}

// answers bounds one call, and the bytes of its answer.
const (
	answerWithin = 30 * time.Second
	answerBytes  = 64 << 20
)

// do makes one call; out takes the answer.
func (c *Client) do(ctx context.Context, method, path string, q url.Values, out any) error {
	return c.send(ctx, method, path, q, nil, out)
}

// send makes one call with a body of JSON; nil: none.
func (c *Client) send(ctx context.Context, method, path string, q url.Values, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return fmt.Errorf("make the call: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+path+"?"+q.Encode(), bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("make the call: %w", err)
	}
	req.Header = c.header()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return &Unreachable{c.base.String(), bare(err)}
	}
	defer res.Body.Close()
	if b, err = io.ReadAll(io.LimitReader(res.Body, answerBytes)); err != nil {
		return &Unreachable{c.base.String(), err}
	}
	return answer(res, b, out)
}

func (c *Client) header() http.Header {
	h := http.Header{"User-Agent": {"recycler"}}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	return h
}

// bare strips the method and URL that net/http puts before every cause.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// answer reads what a server said.
func answer(res *http.Response, b []byte, out any) error {
	if res.StatusCode < 300 {
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(b, out); err != nil {
			return fmt.Errorf("read the server's answer: %w", err)
		}
		return nil
	}
	p := Problem{}
	if err := json.Unmarshal(b, &p); err != nil || p.Code == "" {
		return &Refusal{Problem{Status: res.StatusCode, Code: "no_api", Detail: "The server answered " + res.Status + ", which is not this API.",
			Hint: "--server names the address of api.listen, without a path."}}
	}
	return &Refusal{p}
}

// Page says which rows to list.
type Page struct {
	Filter Filter
	Cursor string
	Limit  int
}

func (p Page) query(host string) url.Values {
	q := url.Values{}
	for k, v := range map[string]string{"state": p.Filter.State, "cluster": p.Filter.Cluster, host: p.Filter.Host,
		"requester": p.Filter.Requester, "request": p.Filter.Request, "cursor": p.Cursor} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return q
}

// Jobs lists jobs, newest first.
func (c *Client) Jobs(ctx context.Context, p Page) (out JobList, err error) {
	return out, c.do(ctx, http.MethodGet, "/api/v1/jobs", p.query("host"), &out)
}

// Job reads one job with its steps.
func (c *Client) Job(ctx context.Context, id string) (out JobView, err error) {
	return out, c.do(ctx, http.MethodGet, "/api/v1/jobs/"+url.PathEscape(id), nil, &out)
}

// Want does pause, resume or cancel to a job; now stops the running table of a pause.
func (c *Client) Want(ctx context.Context, id, verb string, now bool) (out JobView, err error) {
	q := url.Values{}
	if now {
		q.Set("now", "true")
	}
	return out, c.do(ctx, http.MethodPost, "/api/v1/jobs/"+url.PathEscape(id)+"/"+verb, q, &out)
}

// Skip leaves a table of a job alone.
func (c *Client) Skip(ctx context.Context, id, table string) (out JobView, err error) {
	return out, c.do(ctx, http.MethodPost, "/api/v1/jobs/"+url.PathEscape(id)+"/skip", url.Values{"table": {table}}, &out)
}

// Requests lists requests, newest first.
func (c *Client) Requests(ctx context.Context, p Page) (out RequestList, err error) {
	return out, c.do(ctx, http.MethodGet, "/api/v1/requests", p.query("target"), &out)
}

// Request reads one request.
func (c *Client) Request(ctx context.Context, id string) (out RequestView, err error) {
	return out, c.do(ctx, http.MethodGet, "/api/v1/requests/"+url.PathEscape(id), nil, &out)
}

// Ask asks for work with a command as typed in the chat.
func (c *Client) Ask(ctx context.Context, command string) (out RequestView, err error) {
	return out, c.send(ctx, http.MethodPost, "/api/v1/requests", nil, map[string]string{"command": command}, &out)
}

// Preview shows what run would do, from a command as typed in the chat.
func (c *Client) Preview(ctx context.Context, command string) (out PlannedView, err error) {
	return out, c.send(ctx, http.MethodPost, "/api/v1/plans", nil, map[string]string{"command": command}, &out)
}

// Review decides a request in the name of the token's person; digest is that of what was looked at.
func (c *Client) Review(ctx context.Context, id, digest, decision, comment string) (out RequestView, err error) {
	body := map[string]string{"digest": digest, "decision": decision, "comment": comment}
	return out, c.send(ctx, http.MethodPost, "/api/v1/requests/"+url.PathEscape(id)+"/reviews", nil, body, &out)
}

// Withdraw takes a pending request back.
func (c *Client) Withdraw(ctx context.Context, id string) (out RequestView, err error) {
	return out, c.do(ctx, http.MethodPost, "/api/v1/requests/"+url.PathEscape(id)+"/withdraw", nil, &out)
}

// Tables lists what a rebuild should make smaller, from an offset on; an empty cluster is all.
func (c *Client) Tables(ctx context.Context, cluster string, offset, limit int) (out TableList, err error) {
	q := url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(limit)}}
	if cluster != "" {
		q.Set("cluster", cluster)
	}
	return out, c.do(ctx, http.MethodGet, "/api/v1/tables", q, &out)
}

// Schedules lists the schedules.
func (c *Client) Schedules(ctx context.Context) (out List[ScheduleView], err error) {
	return out, c.do(ctx, http.MethodGet, "/api/v1/schedules", nil, &out)
}

// AddSchedule takes the chat's schedule add.
func (c *Client) AddSchedule(ctx context.Context, command string) (out ScheduleView, err error) {
	return out, c.send(ctx, http.MethodPost, "/api/v1/schedules", nil, map[string]string{"command": command}, &out)
}

// EditSchedule takes what stands behind the id in the chat's schedule edit.
func (c *Client) EditSchedule(ctx context.Context, id, change string) (out ScheduleView, err error) {
	return out, c.send(ctx, http.MethodPatch, "/api/v1/schedules/"+url.PathEscape(id), nil, map[string]string{"change": change}, &out)
}

// DoSchedule pauses, resumes, skips, removes or withdraws.
func (c *Client) DoSchedule(ctx context.Context, id, verb string) (out ScheduleView, err error) {
	path := "/api/v1/schedules/" + url.PathEscape(id)
	if verb == "remove" {
		return out, c.do(ctx, http.MethodDelete, path, nil, &out)
	}
	return out, c.do(ctx, http.MethodPost, path+"/"+verb, nil, &out)
}

// Config reads the configuration in force.
func (c *Client) Config(ctx context.Context) (out ConfigView, err error) {
	return out, c.do(ctx, http.MethodGet, "/api/v1/config", nil, &out)
}

// Reload has the server read its configuration again.
func (c *Client) Reload(ctx context.Context) (out Reloaded, err error) {
	return out, c.do(ctx, http.MethodPost, "/api/v1/config/reload", nil, &out)
}

// Feed is an open WebSocket on the event log.
type Feed struct{ conn *websocket.Conn }

// Events opens the event log from a number on; after below 0 means from now on. An empty job is all.
func (c *Client) Events(ctx context.Context, after int64, job string) (*Feed, error) {
	q := url.Values{}
	if after >= 0 {
		q.Set("after", strconv.FormatInt(after, 10))
	}
	if job != "" {
		q.Set("job", job)
	}
	dctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, res, err := websocket.Dial(dctx, c.base.String()+eventsPath+"?"+q.Encode(), &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: c.header()}) //nolint:bodyclose // the library replaces the body with bytes it has read
	if err != nil {
		if res != nil && res.StatusCode >= 300 {
			b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16)) // what can be read of the problem is what is told
			return nil, answer(res, b, nil)
		}
		return nil, &Unreachable{c.base.String(), bare(err)}
	}
	conn.SetReadLimit(8 << 20)
	return &Feed{conn}, nil
}

// Next waits for the next event. The server's reason for ending is a *Dropped.
func (f *Feed) Next(ctx context.Context) (engine.Event, error) {
	var e engine.Event
	_, b, err := f.conn.Read(ctx)
	var end websocket.CloseError
	if errors.As(err, &end) {
		return e, &Dropped{Reason: end.Reason}
	}
	if err != nil {
		return e, fmt.Errorf("read events: %w", err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("read an event: %w", err)
	}
	return e, nil
}

// Close ends the feed.
func (f *Feed) Close() { _ = f.conn.Close(websocket.StatusNormalClosure, "") }

// Dropped says that the server ended a feed, and why.
type Dropped struct{ Reason string }

// Error implements error.
func (d *Dropped) Error() string { return "the server ended the events: " + d.Reason }
