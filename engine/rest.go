package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rest is what an ended request left undone. A retry is a new request for these tables and no
// others, with a plan of its own and a second person of its own: no approval carries more than what
// it was given for.
type Rest struct {
	Request string
	tables  map[string][]string  // schema.table by host
	unknown map[string][]string  // those of them whose outcome is not known
	ended   map[string]time.Time // when the host's job ended
}

// RestOf sums up what jobs left undone: tables that failed, were refused or never started, and those
// whose outcome is unknown. What is done stays done, and what a person or the plan's bounds skipped
// stays skipped. A *Problem says that a job has not ended (still_running), or that nothing is left
// (nothing_left).
func RestOf(request string, jobs []Job) (Rest, error) {
	r := Rest{Request: request, tables: map[string][]string{}, unknown: map[string][]string{}, ended: map[string]time.Time{}}
	for _, j := range jobs {
		if !j.State.Final() {
			return r, &Problem{Code: "still_running", Text: fmt.Sprintf("%s has not ended: it is %s on %s.", request, j.State, j.Host),
				Next: "Wait for its end, or cancel it first."}
		}
		r.ended[j.Host] = j.Ended
		for _, s := range j.Steps {
			name := s.Plan.Schema + "." + s.Plan.Table
			switch s.State {
			case StepDone, StepSkipped:
				continue
			case StepUnknown:
				r.unknown[j.Host] = append(r.unknown[j.Host], name)
			}
			r.tables[j.Host] = append(r.tables[j.Host], name)
		}
	}
	if r.Count() == 0 {
		return r, &Problem{Code: "nothing_left", Text: request + " left no table undone.", Next: "Ask for a new run of what you want."}
	}
	return r, nil
}

// Count is how many tables are left, over all hosts.
func (r Rest) Count() (n int) {
	for _, ts := range r.tables {
		n += len(ts)
	}
	return n
}

// has reports whether a table is left on a host.
func (r Rest) has(host, schema, table string) bool {
	return slices.Contains(r.tables[host], schema+"."+table)
}

// known refuses a look at a host that was taken before the job ended with a table of unknown outcome:
// what became of it must be seen on the server before anything is run again.
func (r Rest) known(host string, seen time.Time) error {
	if len(r.unknown[host]) == 0 || seen.After(r.ended[host]) {
		return nil
	}
	return &Problem{Code: "stale_snapshot",
		Text: fmt.Sprintf("What became of %s on %s is not known, and nobody has looked since.", strings.Join(r.unknown[host], ", "), host),
		Next: "Discover it again: discover " + host}
}
