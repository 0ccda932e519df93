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
	parted  map[string][]string  // those of them of which some partitions are done
	ended   map[string]time.Time // when the host's job ended
}

// RestOf sums up what jobs left undone: tables that failed, were refused or never started, and those
// whose outcome is unknown. What is done stays done, and what a person or the plan's bounds skipped
// stays skipped. A *Problem says that a job has not ended (still_running), or that nothing is left
// (nothing_left).
func RestOf(request string, jobs []Job) (Rest, error) {
	r := Rest{Request: request, tables: map[string][]string{}, unknown: map[string][]string{}, parted: map[string][]string{}, ended: map[string]time.Time{}}
	for _, j := range jobs {
		if !j.State.Final() {
			return r, &Problem{Code: "still_running", Text: fmt.Sprintf("%s has not ended: it is %s on %s.", request, j.State, j.Host),
				Next: "Wait for its end, or cancel it first."}
		}
		r.ended[j.Host] = j.Ended
		r.add(j)
	}
	if r.Count() == 0 {
		return r, &Problem{Code: "nothing_left", Text: request + " left no table undone.", Next: "Ask for a new run of what you want."}
	}
	return r, nil
}

// add takes in what a job left undone.
func (r Rest) add(j Job) {
	once := func(of map[string][]string, s Step) {
		if name := s.Plan.TableName(); !slices.Contains(of[j.Host], name) {
			of[j.Host] = append(of[j.Host], name)
		}
	}
	for _, s := range j.Steps {
		switch s.State {
		case StepDone, StepSkipped:
			continue
		case StepUnknown:
			once(r.unknown, s)
		}
		once(r.tables, s)
	}
	for _, s := range j.Steps {
		if s.State == StepDone && r.has(j.Host, s.Plan.Schema, s.Plan.Table) {
			once(r.parted, s)
		}
	}
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
// what became of it must be seen on the server before anything is run again. The same holds for a
// table of which some partitions are done: what is done must not be done again.
func (r Rest) known(host string, seen time.Time) error {
	text := ""
	switch unknown, parted := r.unknown[host], r.parted[host]; {
	case seen.After(r.ended[host]):
		return nil
	case len(unknown) > 0:
		text = fmt.Sprintf("What became of %s on %s is not known, and nobody has looked since.", strings.Join(unknown, ", "), host)
	case len(parted) > 0:
		text = fmt.Sprintf("Partitions of %s on %s were rebuilt, and nobody has looked since.", strings.Join(parted, ", "), host)
	default:
		return nil
	}
	return &Problem{Code: "stale_snapshot", Text: text, Next: "Discover it again: discover " + host}
}
