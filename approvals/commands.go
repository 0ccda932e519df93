package approvals

import (
	"context"
	"slices"
	"strings"

	"mysql-recycler/engine"
)

// Act is a kind of command, as far as the configuration tells who may use it.
type Act string

// The acts. Beside them stay the rules that every command has: a job is stopped by its requester or
// an approver, a schedule by its owners or an approver, and nobody decides about their own request.
const (
	ActLook     Act = "look"     // plan, top, status, list, history
	ActAsk      Act = "ask"      // discover, run, retry
	ActSteer    Act = "steer"    // pause, resume, cancel, skip
	ActSchedule Act = "schedule" // what changes a schedule
)

// acts are all of them with the words for who may and who may not, as the chat's phrasebook has them.
var acts = []struct {
	act           Act
	may, not, who string
}{
	{ActLook, "You may look: plan, top, status, list, history.", "You may not look at ", "look at"},
	{ActAsk, "You may ask: discover, run, retry.", "You may not ask for work on ", "ask for work on"},
	{ActSteer, "You may steer: pause, resume, cancel, skip.", "You may not steer work on ", "steer work on"},
	{ActSchedule, "You may schedule: schedule add, edit, pause, resume, skip, remove, withdraw.", "You may not schedule work on ", "schedule work on"},
}

// People are named one by one or by groups of the chat platform.
type People struct {
	Users  []string // user ids
	Groups []string // user group ids, read from the directory at each question
}

// namedAtMost is how many people a refusal names.
const namedAtMost = 6

// MayUse refuses, with a *engine.Problem, who may not use an act's commands on a cluster now. Where the
// policy names nobody for the act, everybody may from whom the cluster's channels take commands. Who is
// named one by one may whatever becomes of the groups; others may not while a group cannot be read.
func (s *Service) MayUse(ctx context.Context, cluster string, act Act, by Actor) error {
	p := s.policy(cluster)
	set, err := s.users(ctx, p, cluster, act, by)
	if err != nil || set == nil || slices.Contains(set, by.ID) {
		return err
	}
	no := &engine.Problem{Code: "not_permitted"}
	for _, a := range acts {
		if a.act == act {
			no.Text = a.not + cluster + "."
			continue
		}
		other, err := s.users(ctx, p, cluster, a.act, by)
		if err == nil && (other == nil || slices.Contains(other, by.ID)) {
			no.Reasons = append(no.Reasons, a.may)
		}
	}
	no.Next = "Who may: " + s.names(ctx, by.Team, set) + "."
	if len(set) == 0 {
		no.Next = "Nobody may now: the groups named for it are empty."
	}
	return no
}

// users are the user ids that may use an act's commands, as far as it must be known to judge by; nil:
// nobody is named.
func (s *Service) users(ctx context.Context, p Policy, cluster string, act Act, by Actor) ([]string, error) {
	named := p.Commands[act]
	if len(named.Users)+len(named.Groups) == 0 {
		return nil, nil
	}
	if slices.Contains(named.Users, by.ID) {
		return named.Users, nil
	}
	set, err := s.members(ctx, named.Users, named.Groups, "I could not read who may "+wordOf(act)+" "+cluster+", so only people named one by one may right now.")
	if err != nil {
		return nil, err
	}
	return append([]string{}, set...), nil // empty is not the same as nobody named
}

func wordOf(act Act) string {
	for _, a := range acts {
		if a.act == act {
			return a.who
		}
	}
	return string(act)
}

// names are what the first of some people are called, as plain words: a refusal pings nobody.
func (s *Service) names(ctx context.Context, team string, ids []string) string {
	var out []string
	for _, id := range ids[:min(namedAtMost, len(ids))] {
		name := id
		if p, err := s.o.Directory.Person(ctx, team, id); err == nil && p.Name != "" {
			name = p.Name
		}
		out = append(out, name)
	}
	if len(ids) > namedAtMost {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}
