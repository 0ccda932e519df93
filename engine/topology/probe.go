package topology

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// Probe looks at one server on the very connection given; a *dbconn.Session works, and is how the
// guard asks the connection that will run the statement. An error means that something protecting
// the server could not be read; the instance then holds what was, with Missing saying the rest.
func Probe(ctx context.Context, q dbconn.Querier, srv *dbconn.Server) (Instance, error) {
	facts, err := dbconn.ReadFacts(ctx, q)
	if err != nil {
		return blank(srv.Name, srv.Addr), fmt.Errorf("probe %s: %w", srv.Name, err)
	}
	i, err := FromFacts(srv.Name, srv.Addr, facts)
	if err != nil {
		return i, fmt.Errorf("probe %s: %w", srv.Name, err)
	}
	asks := questions(facts, i.Version, Options{})
	if err := i.learn(asks, dbconn.AskAll(ctx, q, asks.statements())); err != nil {
		return i, fmt.Errorf("probe %s: %w", srv.Name, err)
	}
	if len(i.Missing) > 0 {
		return i, fmt.Errorf("probe %s: %s", srv.Name, strings.Join(i.Missing, "; "))
	}
	return i, nil
}

// blank is an instance of which nothing was read.
func blank(name string, addr dbconn.Addr) Instance {
	return Instance{Name: name, Addr: addr, Role: RoleUnknown, At: time.Now()}
}

// learn takes the answers to the questions. Trouble with single statements goes to
// Instance.Missing; the error is for a connection that broke.
func (i *Instance) learn(asks questionnaire, answers []dbconn.Answer) error {
	var lost error
	for n, answer := range answers {
		a := asks[n]
		switch {
		case answer.Err == nil:
			a.take(i, answer.Rows)
		case dbconn.Code(answer.Err) != 0 && a.optional:
			i.deny(a, answer.Err)
		case dbconn.Lost(answer.Err):
			lost = errors.Join(lost, answer.Err)
		default:
			i.deny(a, answer.Err)
			i.Missing = append(i.Missing, missing(a, answer.Err))
		}
	}
	if lost != nil {
		i.Reached = false
		return lost
	}
	i.Replicas = i.mergeDownstream()
	settleLag(i)
	settleUnapplied(i)
	i.Role = RoleOf(*i)
	return nil
}

// FromFacts is an instance with what the facts alone tell: who it is and the settings that protect
// it. Its role is unknown, because its links were not asked for.
func FromFacts(name string, addr dbconn.Addr, facts dbconn.Facts) (Instance, error) {
	i := blank(name, addr)
	err := i.know(facts)
	return i, err
}

// know takes the facts.
func (i *Instance) know(facts dbconn.Facts) error {
	version, err := facts.Version()
	if err != nil {
		return err
	}
	id, err := facts.Identity()
	if err != nil {
		return err
	}
	i.Identity, i.ServerID, i.Version = id, facts.ServerID(), version
	i.State = stateOf(facts)
	i.Reached = true
	if facts.Relay() {
		i.Role = RoleRelay
	}
	i.Group = groupOf(facts)
	return nil
}

// denied reports whether an error is access denied, in one of its forms.
func denied(err error) bool {
	code := dbconn.Code(err)
	return code == 1227 || code == 1142 || code == 1045 || code == 1044
}

// deny remembers the right that a refused question needs.
func (i *Instance) deny(a question, err error) {
	if denied(err) {
		i.lacks = append(i.lacks, a.right)
	}
}

// missing says what could not be read and which right is missing for it.
func missing(a question, err error) string {
	if denied(err) {
		return fmt.Sprintf("%s could not be read: the account lacks %s (error %d)", a.what, a.right, dbconn.Code(err))
	}
	return fmt.Sprintf("%s could not be read (error %d)", a.what, dbconn.Code(err))
}

// accountSQL asks who we are for the server, which only GRANT needs to know.
const accountSQL = "SELECT CURRENT_USER() AS account"

// remedy notes the statements that give the rights that were missing.
func (i *Instance) remedy(account []dbconn.Answer) {
	for _, a := range account {
		for _, r := range a.Rows {
			i.notes = append(i.notes, "run there: "+strings.Join(dbconn.GrantSQL(r.Text("account"), i.lacks), "; "))
		}
	}
}

// stateOf reads the protecting settings from the facts.
func stateOf(f dbconn.Facts) State {
	return State{
		ReadOnly:      f.On("read_only"),
		SuperReadOnly: f.On("super_read_only"),
		LogBin:        f.On("log_bin"),
		LogUpdates:    f.On("log_replica_updates") || f.On("log_slave_updates"),
		GTIDStrict:    f.On("gtid_strict_mode"),
		GTIDMode:      f.On("gtid_mode") || f.Has("gtid_domain_id"), // MariaDB always numbers transactions
	}
}

// groupOf names membership in something that is not plain replication, as far as the settings
// tell; the rows of a replication group refine it.
func groupOf(f dbconn.Facts) string {
	// MariaDB carries wsrep settings without using them; a node that lost its cluster still has the
	// provider loaded, and is no plain replica whatever else it replicates from.
	provider := strings.ToLower(f["wsrep_provider"])
	switch {
	case provider != "none" && (provider != "" || f.On("wsrep_on")):
		return "galera"
	case f["aurora_version"] != "":
		return "aurora"
	case f["group_replication_group_name"] != "":
		return "group_replication"
	}
	return ""
}
