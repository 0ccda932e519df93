package engine

import (
	"encoding/json"
	"fmt"
)

// AlertKind is a kind of fact that must not wait for somebody to read a thread.
type AlertKind string

// The alerts.
const (
	AlertPromoted  AlertKind = "promoted"  // the host stopped being a replica; what ran there was killed
	AlertUnwatched AlertKind = "unwatched" // the host could not be watched any more; what ran there was killed
	AlertRefused   AlertKind = "refused"   // the guard refused a host after the approval
	AlertSetting   AlertKind = "setting"   // a setting of a server could not be put back
	AlertUnknown   AlertKind = "unknown"   // nobody can know how a statement ended
	AlertConfig    AlertKind = "config"    // a process refused a changed configuration
	AlertOther     AlertKind = "other"     // told by an earlier version, which had no kinds
)

// AlertKinds are all of them.
var AlertKinds = []AlertKind{AlertPromoted, AlertUnwatched, AlertRefused, AlertSetting, AlertUnknown, AlertConfig, AlertOther}

// AlertOf says whether a fact is an alert, of which kind, and its sentence. The log, the webhook,
// the metric and the channel of the cluster all ask here.
func AlertOf(e Event) (kind AlertKind, sentence string, is bool) {
	switch e.Kind {
	case EventJobNotice:
		var n Notice
		if json.Unmarshal(e.Data, &n) != nil || n.Severity != SeverityAlert {
			return "", "", false
		}
		if n.Alert == "" {
			n.Alert = AlertOther
		}
		return n.Alert, n.Sentence, true
	case EventJobRefused:
		return AlertRefused, "The guard refused the host after the approval; see the thread of " + e.RequestID + " for its reasons.", true
	case EventStepUnknown:
		return AlertUnknown, fmt.Sprintf("The outcome of table %d of %s is unknown; look at the server before anything else is done there.", e.Step, e.JobID), true
	case EventConfigRefused:
		var r struct {
			Node     string
			Mistakes []string
		}
		if json.Unmarshal(e.Data, &r) != nil || len(r.Mistakes) == 0 {
			return "", "", false
		}
		return AlertConfig, r.Node + " refused a changed configuration and works on with the one before: " + r.Mistakes[0], true
	}
	return "", "", false
}
