package topology

import (
	"encoding/json"
	"fmt"
	"strings"
)

// JSON is the topology with all its fields, indented, for tools.
func (t Topology) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write topology as JSON: %w", err)
	}
	return append(b, '\n'), nil
}

// dotShapes are Graphviz shapes by role, so that a role does not hang on a colour.
var dotShapes = map[Role]string{
	RolePrimary: "doubleoctagon", RoleIntermediate: "octagon", RoleReplica: "box", RoleStandalone: "ellipse",
	RoleGroupMember: "hexagon", RoleRelay: "parallelogram", RoleUnknown: "note",
}

// DOT is the topology for Graphviz. An edge runs from source to replica, dashed where it is broken
// or its end was not reached, with the lag beside it.
func (t Topology) DOT() string {
	x := newIndex(&t)
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=TB;\n  node [fontname=\"Helvetica\"];\n", quoteDOT(orWord(t.Cluster, "topology")))
	for n, i := range t.Instances {
		label := i.Name + "\n" + string(i.Role)
		style := "solid"
		if i.Reached {
			label += "\n" + i.Version.String() + "\nread_only=" + bit(i.State.ReadOnly)
		} else {
			label += "\nnot reached: " + i.Unreached
			style = "dashed"
		}
		fmt.Fprintf(&b, "  n%d [label=%s, shape=%s, style=%s];\n", n, quoteDOT(label), dotShapes[i.Role], style)
	}
	for n, replicas := range x.down {
		for _, c := range replicas {
			label, broken := x.edgeLabel(n, c)
			style := "solid"
			if broken {
				style = "dashed"
			}
			fmt.Fprintf(&b, "  n%d -> n%d [label=%s, style=%s];\n", n, c, quoteDOT(label), style)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// edgeLabel is the state of replication between two servers in words, and whether it is broken.
func (x *index) edgeLabel(source, replica int) (label string, broken bool) {
	i := x.instances[replica]
	if !i.Reached {
		return "not reached", true
	}
	for _, l := range i.Links {
		if n, ok := x.source(l); ok && n == source {
			return l.mark(len(i.Links) > 1), !l.Running()
		}
	}
	return "", false
}

// quoteDOT writes a Graphviz string.
func quoteDOT(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// maxAlt is the longest alt text that chats take.
const maxAlt = 2000

// AltText says what the picture shows, for those who cannot see it: every server in one sentence,
// the troubled ones first if not all fit.
func (t Topology) AltText() string {
	x := newIndex(&t)
	head := fmt.Sprintf("Cluster %s: %s.", orWord(t.Cluster, "without a name"), counted(len(t.Instances), "server"))
	var calm, troubled []string
	for n := range t.Instances {
		if s, trouble := x.sentence(n); trouble {
			troubled = append(troubled, s)
		} else {
			calm = append(calm, s)
		}
	}
	text, rest := head, append(troubled, calm...)
	for n, s := range rest {
		more := fmt.Sprintf(" And %s more.", counted(len(rest)-n, "server"))
		if len(text)+1+len(s)+len(more) > maxAlt {
			return text + more
		}
		text += " " + s
	}
	return text
}

// sentence says what a server is, and whether there is trouble with it.
func (x *index) sentence(n int) (text string, trouble bool) {
	i := x.instances[n]
	if !i.Reached {
		return fmt.Sprintf("%s was not reached: %s.", i.Name, i.Unreached), true
	}
	text = fmt.Sprintf("%s is %s", i.Name, i.Role)
	for k, s := range x.up[n] {
		label, broken := x.edgeLabel(s, n)
		word := " of "
		if k > 0 {
			word = " and of "
		}
		text += word + x.instances[s].Name + ", " + label
		trouble = trouble || broken
	}
	if i.ErrantGTID != "" {
		text, trouble = text+", with errant transactions", true
	}
	return text + ".", trouble
}

// counted is "1 server", "3 servers".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
