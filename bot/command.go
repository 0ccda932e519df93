package bot

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
)

// Verb is the first word of a command.
type Verb string

// The verbs people can type. A verb that is not here is not in the help either.
const (
	VerbHelp     Verb = "help"
	VerbDiscover Verb = "discover"
	VerbPlan     Verb = "plan"
	VerbRun      Verb = "run"
	VerbTop      Verb = "top"
	VerbList     Verb = "list"
	VerbStatus   Verb = "status"
	VerbCancel   Verb = "cancel"
	VerbPause    Verb = "pause"
	VerbResume   Verb = "resume"
	VerbRetry    Verb = "retry"
	VerbSkip     Verb = "skip"
	VerbHistory  Verb = "history"
	VerbWhoami   Verb = "whoami"
	VerbVersion  Verb = "version"
	VerbSchedule Verb = "schedule"
	VerbRegion   Verb = "region"
	VerbNodes    Verb = "nodes"
)

// argument says what stands after a verb.
type argument int

const (
	noArgument argument = iota
	hostArgument
	idArgument
	idTableArguments
	filterArgument
	topicArgument
	clusterArgument // optional
	scheduleArguments
	regionArguments
)

// grammar is every verb with its argument, in the order of the help.
var grammar = []struct {
	verb Verb
	arg  argument
}{
	{VerbDiscover, hostArgument},
	{VerbPlan, hostArgument},
	{VerbRun, hostArgument},
	{VerbTop, clusterArgument},
	{VerbList, filterArgument},
	{VerbStatus, idArgument},
	{VerbPause, idArgument},
	{VerbResume, idArgument},
	{VerbCancel, idArgument},
	{VerbSkip, idTableArguments},
	{VerbRetry, idArgument},
	{VerbHistory, hostArgument},
	{VerbSchedule, scheduleArguments},
	{VerbRegion, regionArguments},
	{VerbNodes, noArgument},
	{VerbWhoami, noArgument},
	{VerbVersion, noArgument},
	{VerbHelp, topicArgument},
}

// listFilters are the words that list understands.
var listFilters = []string{"mine", "pending", "running"}

// Line is a command as it was understood. Its String is the command in its plain form, which
// Parse reads back to the same Line.
type Line struct {
	Verb       Verb
	Target     string  // discover, plan, run, history, top: host or cluster; region: its name
	Request    string  // status, cancel, pause, resume, skip, retry: R-7QK2
	Table      string  // skip: schema.table
	Filter     string  // list; region: pause or resume
	Topic      string  // help
	Plan       Planned // schedule
	Now        bool    // pause: stop the running table instead of letting it end
	BreakGlass bool    // run: it cannot wait; asked with a form
	After      string  // run: the request whose thread the card belongs to; never typed by a person
	Select     Select  // plan, run, schedule add and edit
}

// Select is what of a host is recycled and how. Zero values mean the cluster's settings.
type Select struct {
	Schemas   []string
	Tables    []string
	MinBytes  int64   // what a table must give back at least
	MinShare  float64 // share of its size that a table must give back at least
	Mode      rebuild.Mode
	Parallel  int
	MaxLag    time.Duration
	MaxTables int   // the biggest gains are kept
	MaxBytes  int64 // to be rebuilt, as they are on disk
	CheckRows bool  // count rows before and after, the applier stopped meanwhile
	DryRun    bool
	Window    engine.Window // hours of the day in which tables are started
	Until     string        // 06:00 or 06:00@Asia/Shanghai: until when tables may be started, the next time it is so late
}

// flag is one option of the grammar. get answers nil when it is not set.
type flag struct {
	name    string
	bare    bool // takes no value
	verbs   []Verb
	example string
	help    key
	set     func(l *Line, value string) bool
	get     func(l Line) []string
	near    func(value string) string // the valid value that was probably meant; may be nil
}

var (
	planning   = []Verb{VerbPlan, VerbRun, VerbSchedule}
	scheduling = []Verb{VerbSchedule}
)

// flags is every flag of the grammar.
var flags = []flag{
	{name: "schema", verbs: planning, example: "shop", help: kFlagSchema,
		set: func(l *Line, v string) bool { return addPatterns(&l.Select.Schemas, v) },
		get: func(l Line) []string { return l.Select.Schemas }},
	{name: "table", verbs: planning, example: "shop.order*", help: kFlagTable,
		set: func(l *Line, v string) bool { return addPatterns(&l.Select.Tables, v) },
		get: func(l Line) []string { return l.Select.Tables }},
	{name: "min-bytes", verbs: planning, example: "64MB", help: kFlagMinBytes,
		set: func(l *Line, v string) bool { return assign(&l.Select.MinBytes, v, parseSize) },
		get: func(l Line) []string { return one(l.Select.MinBytes > 0, formatSize(l.Select.MinBytes)) }},
	{name: "min-share", verbs: planning, example: "20%", help: kFlagMinShare,
		set: func(l *Line, v string) bool { return assign(&l.Select.MinShare, v, parseShare) },
		get: func(l Line) []string { return one(l.Select.MinShare > 0, formatShare(l.Select.MinShare)) }},
	{name: "mode", verbs: planning, example: "binlog-off", help: kFlagMode,
		set: func(l *Line, v string) bool { return assign(&l.Select.Mode, v, parseMode) },
		get: func(l Line) []string { return one(l.Select.Mode != "", string(l.Select.Mode)) }},
	{name: "parallel", verbs: planning, example: "2", help: kFlagParallel,
		set: func(l *Line, v string) bool { return assign(&l.Select.Parallel, v, parseParallel) },
		get: func(l Line) []string { return one(l.Select.Parallel > 0, strconv.Itoa(l.Select.Parallel)) }},
	{name: "max-lag", verbs: planning, example: "10s", help: kFlagMaxLag,
		set: func(l *Line, v string) bool { return assign(&l.Select.MaxLag, v, parseWait) },
		get: func(l Line) []string { return one(l.Select.MaxLag > 0, l.Select.MaxLag.String()) }},
	{name: "max-tables", verbs: planning, example: "20", help: kFlagMaxTables,
		set: func(l *Line, v string) bool { return assign(&l.Select.MaxTables, v, parseCount) },
		get: func(l Line) []string { return one(l.Select.MaxTables > 0, strconv.Itoa(l.Select.MaxTables)) }},
	{name: "max-bytes", verbs: planning, example: "200GB", help: kFlagMaxBytes,
		set: func(l *Line, v string) bool { return assign(&l.Select.MaxBytes, v, parseSize) },
		get: func(l Line) []string { return one(l.Select.MaxBytes > 0, formatSize(l.Select.MaxBytes)) }},
	{name: "window", verbs: []Verb{VerbPlan, VerbRun}, example: "22:00-06:00", help: kFlagHours, near: nearWindow,
		set: func(l *Line, v string) bool { return assign(&l.Select.Window, v, parseWindow) },
		get: func(l Line) []string { return one(!l.Select.Window.IsZero(), formatWindow(l.Select.Window)) }},
	{name: "until", verbs: []Verb{VerbPlan, VerbRun}, example: "06:00", help: kFlagUntil, near: nearUntil,
		set: func(l *Line, v string) bool { return assign(&l.Select.Until, v, parseUntil) },
		get: func(l Line) []string { return one(l.Select.Until != "", l.Select.Until) }},
	{name: "cron", verbs: scheduling, example: `"0 2 * * sun"`, help: kFlagCron,
		set: func(l *Line, v string) bool { return assign(&l.Plan.Timing.Cron, v, parseCron) },
		get: func(l Line) []string { return one(l.Plan.Timing.Cron != "", l.Plan.Timing.Cron) }},
	{name: "zone", verbs: scheduling, example: "Asia/Shanghai", help: kFlagZone,
		set: func(l *Line, v string) bool { return assign(&l.Plan.Timing.Zone, v, parseZone) },
		get: func(l Line) []string { return one(l.Plan.Timing.Zone != "", l.Plan.Timing.Zone) }},
	{name: "window", verbs: scheduling, example: "4h", help: kFlagWindow,
		near: nearWindow,
		set: func(l *Line, v string) bool {
			return assign(&l.Plan.Timing.Window, v, parseWait) || assign(&l.Select.Window, v, parseWindow)
		},
		get: func(l Line) []string { return one(l.Plan.Timing.Window > 0, l.Plan.Timing.Window.String()) }},
	{name: "jitter", verbs: scheduling, example: "10m", help: kFlagJitter,
		set: func(l *Line, v string) bool { return assign(&l.Plan.Timing.Jitter, v, parseWait) },
		get: func(l Line) []string { return one(l.Plan.Timing.Jitter > 0, l.Plan.Timing.Jitter.String()) }},
	{name: "lead", verbs: scheduling, example: "60m", help: kFlagLead,
		set: func(l *Line, v string) bool { return assign(&l.Plan.Timing.Lead, v, parseWait) },
		get: func(l Line) []string { return one(l.Plan.Timing.Lead > 0, l.Plan.Timing.Lead.String()) }},
	{name: "missed", verbs: scheduling, example: "once", help: kFlagMissed,
		set: func(l *Line, v string) bool { return assign(&l.Plan.Timing.Missed, v, parseMissed) },
		get: func(l Line) []string { return one(l.Plan.Timing.Missed != "", string(l.Plan.Timing.Missed)) }},
	{name: "check-rows", bare: true, verbs: planning, help: kFlagCheckRows,
		set: func(l *Line, v string) bool { return assign(&l.Select.CheckRows, v, strictBool) },
		get: func(l Line) []string { return one(l.Select.CheckRows, "") }},
	{name: "dry-run", bare: true, verbs: []Verb{VerbRun}, help: kFlagDryRun,
		set: func(l *Line, v string) bool { return assign(&l.Select.DryRun, v, strictBool) },
		get: func(l Line) []string { return one(l.Select.DryRun, "") }},
	{name: "break-glass", bare: true, verbs: []Verb{VerbRun}, help: kFlagBreakGlass,
		set: func(l *Line, v string) bool { return assign(&l.BreakGlass, v, strictBool) },
		get: func(l Line) []string { return one(l.BreakGlass, "") }},
	{name: "now", bare: true, verbs: []Verb{VerbPause}, help: kFlagNow,
		set: func(l *Line, v string) bool { return assign(&l.Now, v, strictBool) },
		get: func(l Line) []string { return one(l.Now, "") }},
	{name: "after", verbs: []Verb{VerbRun, VerbRetry}, help: "", // written by the bot, refused from people
		set: func(l *Line, v string) bool { return assign(&l.After, v, requestID) },
		get: func(l Line) []string { return one(l.After != "", l.After) }},
}

// synonyms are further names of flags.
var synonyms = map[string]string{"schemas": "schema", "tables": "table", "dryrun": "dry-run"}

// assign stores a value that was understood.
func assign[T any](to *T, s string, parse func(string) (T, bool)) bool {
	v, ok := parse(s)
	if ok {
		*to = v
	}
	return ok
}

// addPatterns reads a comma separated list of patterns.
func addPatterns(to *[]string, s string) bool {
	for p := range strings.SplitSeq(s, ",") {
		p, ok := parsePattern(p)
		if !ok {
			return false
		}
		if !slices.Contains(*to, p) {
			*to = append(*to, p)
		}
	}
	return len(*to) <= 50
}

// strictBool reads the value of a flag that needs none.
func strictBool(s string) (bool, bool) {
	switch strings.ToLower(s) {
	case "", "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

func one(set bool, v string) []string {
	if !set {
		return nil
	}
	return []string{v}
}

// String writes the command in its plain form.
func (l Line) String() string {
	words := []string{string(l.Verb)}
	for _, w := range []string{string(l.Plan.Action), l.Plan.ID, l.Filter, l.Target, l.Request, l.Table, l.Topic} {
		if w != "" {
			words = append(words, quote(w))
		}
	}
	for _, f := range flags {
		vs := f.get(l)
		switch {
		case vs == nil:
		case f.bare:
			words = append(words, "--"+f.name)
		default:
			qs := make([]string, len(vs))
			for i, v := range vs {
				qs[i] = quote(v)
			}
			words = append(words, "--"+f.name+"="+strings.Join(qs, ","))
		}
	}
	return strings.Join(words, " ")
}

// shown is the command as people see it: without what only the bot writes.
func (l Line) shown() string {
	l.After = ""
	return l.String()
}
