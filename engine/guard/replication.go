package guard

import (
	"context"
	"fmt"
	"slices"

	"mysql-recycler/engine/topology"
)

// replication refuses a server that does not read from a source.
type replication struct{}

// Name implements Validator.
func (replication) Name() string { return "replication" }

// Judge implements Validator. A row without a log file is what RESET REPLICA leaves on a server
// that was promoted, so it counts as no replication; a stopped receiver refuses, because nobody can
// tell a broken replica from one that is being promoted. A stopped applier refuses unless we stopped
// it ourselves; once the statement runs it does not, because backups stop appliers too and a
// promotion shows in more than that.
func (v replication) Judge(_ context.Context, s Subject) Finding {
	if !s.Instance.Reached {
		return s.unknown(v, fmt.Sprintf("%s was not reached, so nobody knows whether it replicates", s.name()), s.Instance.Unreached)
	}
	if s.primaryAllowed() {
		return s.accept(v, fmt.Sprintf("%s needs no source, the cluster's policy allows its primary", s.name()), "")
	}
	configured := 0
	for _, l := range s.Instance.Links {
		switch {
		case !l.Configured():
			return s.promoted(v, fmt.Sprintf("%s has a replication channel%s that never read from its source", s.name(), channel(l)),
				s.evidence("source %q with log file %q", l.Source, l.SourceLogFile))
		case l.IORunning != "Yes" && l.IORunning != "Connecting" && l.IORunning != "Preparing":
			return s.refuse(v, fmt.Sprintf("%s does not receive from its source%s (receiver stopped)", s.name(), channel(l)),
				s.evidence("io_running=%s, source %s", l.IORunning, l.Source))
		case l.SQLRunning != "Yes" && !s.Running && !slices.Contains(s.Expect.Stopped, l.Channel):
			return s.refuse(v, fmt.Sprintf("%s does not apply what it receives%s (applier stopped, and not by us)", s.name(), channel(l)),
				s.evidence("sql_running=%s, source %s%s", l.SQLRunning, l.Source, because(l)))
		}
		configured++
	}
	if configured == 0 {
		return s.promoted(v, fmt.Sprintf("%s does not replicate from any server", s.name()), s.evidence("no replication channel"))
	}
	return s.accept(v, fmt.Sprintf("%s replicates from %s", s.name(), sourceNames(s)), s.evidence("%d channels configured", configured))
}

// because is the channel's error, if it has one.
func because(l topology.Link) string {
	if l.LastError == "" {
		return ""
	}
	return ": " + l.LastError
}

// channel names a channel where there is a name.
func channel(l topology.Link) string {
	if l.Channel == "" {
		return ""
	}
	return fmt.Sprintf(" %q", l.Channel)
}

// sourceNames are the sources as people call them.
func sourceNames(s Subject) string {
	text := ""
	for n, l := range s.Instance.Links {
		name := l.Source.String()
		if i, ok := sourceOf(s, l); ok {
			name = i.Name
		}
		if n > 0 {
			text += ", "
		}
		text += name
	}
	return text
}

// sourceOf finds a channel's source in the walk.
func sourceOf(s Subject, l topology.Link) (topology.Instance, bool) {
	if l.SourceIdentity != "" {
		return s.Topology.ByIdentity(l.SourceIdentity)
	}
	i, ok := s.Topology.Find(l.Source.String())
	if ok && l.SourceServerID != 0 && i.ServerID != 0 && i.ServerID != l.SourceServerID {
		return topology.Instance{}, false
	}
	return i, ok
}
