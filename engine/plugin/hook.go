package plugin

import "context"

// Node is the server that a hook takes out of service or puts back.
type Node struct {
	Job     string
	Cluster string
	Host    *Host
}

// Before asks a hook to take a server out of service. nil says that it did; anything else is an
// *Error, and the server may be half out: After is asked then as well.
func (p *Plugin) Before(ctx context.Context, n Node) error { return p.node(ctx, BeforeNode, n) }

// After asks a hook to put a server back into service, also when it never was out.
func (p *Plugin) After(ctx context.Context, n Node) error { return p.node(ctx, AfterNode, n) }

func (p *Plugin) node(ctx context.Context, action Action, n Node) error {
	a, err := p.Ask(ctx, Request{Action: action, Job: n.Job, Cluster: n.Cluster, Host: n.Host})
	if err != nil {
		return err
	}
	if a.Result != resultOK {
		return p.no(action, a)
	}
	return nil
}
