package guard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// ExternalAnswer says what the value at ExternalConfig.Path means.
type ExternalAnswer string

// Answers.
const (
	AnswerRole    ExternalAnswer = "role"    // the role of the server asked about
	AnswerPrimary ExternalAnswer = "primary" // the host of the cluster's primary
)

// ExternalConfig says how another system is asked what a server is. Two shapes are known to work:
//
// orchestrator, which names the primary of a cluster:
//
//	URL      https://orchestrator.example/api/master/{cluster}
//	Answer   primary
//	Path     Key.Hostname
//	PortPath Key.Port
//
// an inventory (CMDB), which knows a role per server:
//
//	URL      https://cmdb.example/hosts/{name}
//	Answer   role
//	Path     data.role
//	Replica  [replica, read-replica]
type ExternalConfig struct {
	URL      string            // template with {host}, {port}, {name}, {cluster}; empty: nobody is asked
	Answer   ExternalAnswer    // role if empty
	Path     string            // where the value is, in gjson syntax
	PortPath string            // primary: where its port is; empty: the host alone is compared
	Replica  []string          // role: the values that mean a replica, compared without case; all else refuses
	Header   map[string]string // sent along, for instance Authorization
	Timeout  time.Duration     // of one request; 1 s if zero
	Retries  int               // further attempts after trouble; all together within AskTimeout
	Remember time.Duration     // how long a refusal is given again without asking; acceptance never is
	Client   *http.Client      // nil: a client of its own
	Now      func() time.Time  // nil: time.Now
}

// external asks another system. What it cannot learn refuses.
type external struct {
	c        ExternalConfig
	refusals memory[string]
}

var _ Validator = (*external)(nil)

// NewExternal returns the validator for an external source of truth.
func NewExternal(c ExternalConfig) Validator { return newExternal(c) }

func newExternal(c ExternalConfig) *external {
	if c.Timeout <= 0 {
		c.Timeout = time.Second
	}
	if c.Client == nil {
		c.Client = &http.Client{}
	}
	if c.Answer == "" {
		c.Answer = AnswerRole
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &external{c: c, refusals: memory[string]{keep: c.Remember, now: c.Now}}
}

// Try asks about one host of a cluster once, without judging: what the source says, in words.
func (c ExternalConfig) Try(ctx context.Context, cluster string, h dbconn.Host) (string, error) {
	v := newExternal(c)
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	body, err := v.ask(ctx, v.address(Subject{Instance: topology.Instance{Name: h.Name, Addr: h.Addr}, Topology: topology.Topology{Cluster: cluster}}))
	if err != nil {
		return "", err
	}
	value, ok := body.at(v.c.Path)
	if !ok || value == "" {
		return "", fmt.Errorf("the answer has nothing at %s", v.c.Path)
	}
	return value, nil
}

// Name implements Validator.
func (*external) Name() string { return "external" }

// Judge implements Validator.
func (v *external) Judge(ctx context.Context, s Subject) Finding {
	at := v.address(s)
	// One URL can answer about many servers, as orchestrator's does; what it refused is one server.
	key := at + " " + string(s.Instance.Identity)
	if kept := v.refusals.get(key); len(kept) > 0 {
		return kept[0]
	}
	body, err := v.ask(ctx, at)
	if err != nil {
		return s.unknown(v, fmt.Sprintf("the external source of truth did not answer about %s", s.name()), err.Error())
	}
	f := v.judgeRole(s, body)
	if v.c.Answer == AnswerPrimary {
		f = v.judgePrimary(s, body)
	}
	f.At = v.c.Now()
	v.refusals.put(key, f)
	return f
}

// judgeRole lets a server pass whose value is listed as a replica's.
func (v *external) judgeRole(s Subject, body answer) Finding {
	value, ok := body.at(v.c.Path)
	evidence := fmt.Sprintf("%s is %q, read at %s", v.c.Path, value, v.c.Now().Format("15:04:05"))
	switch {
	case !ok:
		return s.unknown(v, fmt.Sprintf("the external source of truth says nothing about %s", s.name()), "nothing at "+v.c.Path)
	case slices.ContainsFunc(v.c.Replica, func(r string) bool { return strings.EqualFold(r, value) }):
		return s.accept(v, fmt.Sprintf("%s is a replica for the external source of truth", s.name()), evidence)
	case s.primaryAllowed():
		return s.accept(v, fmt.Sprintf("%s is %q for the external source of truth, which the cluster's policy allows", s.name(), value), evidence)
	}
	return s.promoted(v, fmt.Sprintf("%s is %q for the external source of truth", s.name(), value), evidence)
}

// judgePrimary refuses the server that is named as the primary, and every server while the name
// does not fit the primary of the topology: then a failover is under way or one of the two is wrong.
func (v *external) judgePrimary(s Subject, body answer) Finding {
	host, ok := body.at(v.c.Path)
	if !ok || host == "" {
		return s.unknown(v, fmt.Sprintf("the external source of truth names no primary of %s", orNone(s.Topology.Cluster)), "nothing at "+v.c.Path)
	}
	name := host
	if port, ok := body.at(v.c.PortPath); ok {
		name = dbconn.Addr{Host: host, Port: atoi(port)}.String()
	}
	evidence := fmt.Sprintf("%s names %s, read at %s", v.c.Path, name, v.c.Now().Format("15:04:05"))
	named, found := s.Topology.Find(name)
	switch {
	case !found:
		return s.unknown(v, fmt.Sprintf("the external source of truth names %s as primary, which the topology does not know", name), evidence)
	case named.Identity == s.Instance.Identity && s.primaryAllowed():
		return s.accept(v, fmt.Sprintf("%s is the primary for the external source of truth, which the cluster's policy allows", s.name()), evidence)
	case named.Identity == s.Instance.Identity:
		return s.promoted(v, fmt.Sprintf("%s is the primary for the external source of truth", s.name()), evidence)
	case named.Role != topology.RolePrimary:
		return s.refuse(v, fmt.Sprintf("the external source of truth names %s as primary, the topology says it is %s", named.Name, article(named.Role)), evidence)
	}
	return s.accept(v, fmt.Sprintf("%s is the primary for the external source of truth, not %s", named.Name, s.name()), evidence)
}

// atoi is a number, 0 for anything else.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
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
