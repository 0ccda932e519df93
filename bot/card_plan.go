package bot

import (
	"strconv"
	"strings"
	"time"

	"mysql-recycler/engine"
	"mysql-recycler/engine/rebuild"
	"mysql-recycler/engine/throttle"
)

// cardRows is how many tables a card shows; the thread has the rest.
const cardRows = 8

// planMessage shows one person what a run would do.
func planMessage(l Locale, target string, p engine.Plan, now time.Time, ask Line) Message {
	b := &builder{l: l}
	tables, _, gain, _ := p.Totals()
	b.header(kHeadPlan, args{"target": plain(target)})
	b.summary(kSumPlan, args{"target": plain(target), "n": plainInt(tables), "gain": plain(bytesOf(gain))})
	planBody(b, p, now, 25)
	b.context(b.l.say(kPlanAsksNobody, nil)...)
	b.buttons(Button{Action: ActionRun, Value: ask.String(), Label: l.text(kAskApproval, nil), Style: "primary"})
	return b.m
}

// planBody shows what was frozen: the host, what comes back, what bounds the work, the tables.
func planBody(b *builder, p engine.Plan, asOf time.Time, rows int) {
	tables, bytes, gain, estimate := p.Totals()
	low, high := gainRange(p)
	for _, h := range p.Hosts {
		b.add(Block{Fields: []Field{
			b.field(kFieldHost, code(h.Name)),
			b.field(kFieldRole, plain(b.l.role(string(h.Role)))),
			b.field(kFieldVersion, code(h.Version)),
			b.field(kFieldMode, b.l.mode(p.Mode)...),
		}})
	}
	b.add(Block{Fields: []Field{
		b.field(kFieldGain, b.l.say(kGainRange, args{"gain": bold(bytesOf(gain)), "low": plain(bytesOf(low)), "high": plain(bytesOf(high)),
			"bytes": plain(bytesOf(bytes)), "share": plain(percent(share(gain, bytes)))})...),
		b.field(kFieldTime, plain(b.l.about(estimate))),
		b.field(kFieldTables, plain(flat(b.l.count(kTablesAtOnce, max(1, p.Parallel), args{"tables": plainInt(tables)})))),
		b.field(kFieldLock, plain(b.l.span(p.LockWait))),
		b.field(kFieldLimits, plain(b.l.limits(p.Limits))),
		b.field(kFieldSnapshot, b.l.say(kSnapshotAge, args{"at": when(p.Snapshot), "age": plain(b.l.span(asOf.Sub(p.Snapshot)))})...),
	}})
	planBounds(b, p)
	planDisks(b, p)
	if accepted := policyWords(b.l, p.Policy); accepted != "" {
		b.text(append([]Span{emoji("warning"), plain(" ")}, b.l.say(kAccepted, args{"what": bold(accepted)})...)...)
	}
	planStops(b, p)
	b.table(planTable(b.l, p), rows, kMoreTables)
	planReasons(b, p)
}

// planBounds says in which order hosts are worked on, which are left alone, and what else bounds
// the plan.
func planBounds(b *builder, p engine.Plan) {
	if p.RetryOf != "" {
		b.context(b.l.say(kRetryOf, args{"id": code(p.RetryOf)})...)
	}
	if len(p.Hosts) > 1 {
		names := make([]string, len(p.Hosts))
		for i, h := range p.Hosts {
			names[i] = h.Name
		}
		b.context(b.l.say(kHostsInOrder, args{"n": plainInt(len(names)), "k": plainInt(max(1, p.Bounds.AtOnce)),
			"hosts": plain(clip(strings.Join(names, ", "), 900))})...)
	}
	for i, x := range p.Left {
		if i == 10 {
			b.context(plain("…"))
			break
		}
		b.context(b.l.say(kLeftOut, args{"name": code(x.Name), "why": plain(clip(b.l.words(x.Reason), 300))})...)
	}
	if !p.Bounds.Window.IsZero() {
		b.context(b.l.say(kBoundWindow, args{"window": plain(b.l.window(p.Bounds.Window))})...)
	}
	if !p.Bounds.Until.IsZero() {
		b.context(b.l.say(kBoundUntil, args{"at": when(p.Bounds.Until)})...)
	}
	if p.Bounds.Time > 0 {
		b.context(b.l.say(kBoundTime, args{"time": plain(b.l.span(p.Bounds.Time))})...)
	}
	if names := p.Plugins.Validators; len(names) > 0 {
		b.context(b.l.say(kPlanValidators, args{"names": code(strings.Join(names, ", "))})...)
	}
	if names := p.Plugins.Hooks; len(names) > 0 {
		b.context(b.l.say(kPlanHooks, args{"names": code(strings.Join(names, ", "))})...)
	}
}

// planDisks says what was free on the hosts, and where nobody can tell: there a rebuild that fills the
// disk is not held back, which is news where the cluster keeps a reserve.
func planDisks(b *builder, p engine.Plan) {
	var known, unknown []string
	for _, h := range p.Hosts {
		switch {
		case h.Free.Data == 0:
			unknown = append(unknown, h.Name)
		case h.Free.Temp == 0:
			known = append(known, h.Name+" "+bytesOf(h.Free.Data))
		default:
			known = append(known, h.Name+" "+b.l.text(kDiskFreeBoth, args{"data": plain(bytesOf(h.Free.Data)), "temp": plain(bytesOf(h.Free.Temp))}))
		}
	}
	if len(known) > 0 {
		b.context(b.l.say(kDiskFree, args{"hosts": plain(clip(strings.Join(known, ", "), 600))})...)
	}
	if len(unknown) > 0 && p.Limits.DiskFree > 0 {
		b.context(append([]Span{emoji("warning"), plain(" ")}, b.l.say(kDiskUnknown, args{"hosts": plain(clip(strings.Join(unknown, ", "), 600))})...)...)
	}
}

// gainRange is the least and the most that a plan should give back.
func gainRange(p engine.Plan) (low, high int64) {
	for _, h := range p.Hosts {
		for _, s := range h.Steps {
			low += s.Bytes - s.High
			high += s.Bytes - s.Low
		}
	}
	return low, high
}

// planTable lists the tables of a plan in the order they will be rebuilt.
func planTable(l Locale, p engine.Plan) Table {
	t := Table{Header: l.cells(kColTable, kColSize, kColAfter, kColGain, kColMethod), Right: []bool{1: true, 2: true, 3: true, 4: false}}
	many := len(p.Hosts) > 1
	for _, h := range p.Hosts {
		for _, s := range h.Steps {
			name := s.Name()
			if many {
				name = h.Name + ": " + name
			}
			t.Rows = append(t.Rows, []string{name, bytesOf(s.Bytes), l.after(s.Predicted, s.Low, s.High, s.How), bytesOf(s.Bytes - s.Predicted), l.method(s.Method)})
		}
	}
	return t
}

// method says how a table is rebuilt, in the words of DBAs: in place or as a copy, and what writes to
// the table do meanwhile.
func (l Locale) method(m rebuild.Method) string {
	if m.Kind == rebuild.Leave {
		return l.text(kMethodLeave, nil)
	}
	if m.Kind == rebuild.Plugin {
		words := []string{l.text(kMethodPlugin, args{"name": plain(m.Executor), "version": plain(m.Version)})}
		if m.StopSQL {
			words = append(words, l.text(kStopSQL, nil))
		}
		return strings.Join(words, l.text(kListComma, nil))
	}
	how := kMethodCopy
	if m.Algorithm == rebuild.Inplace {
		how = kMethodInPlace
	}
	lock := kLockTable
	switch {
	case m.Lock == rebuild.LockNone:
		lock = kLockNone
	case m.Kind == rebuild.Alter: // of a partition also where the server lets us spell out nothing
		lock = kLockShared
	}
	if m.StopSQL { // then nothing writes that could wait
		lock = kStopSQL
	}
	return l.text(how, nil) + l.text(kListComma, nil) + l.text(lock, nil)
}

// mode names a mode and what it means.
func (l Locale) mode(m rebuild.Mode) []Span {
	k := kModeOff
	if m == rebuild.BinlogOn {
		k = kModeOn
	}
	return l.say(k, args{"mode": code(string(m))})
}

// role is a replication role in the reader's language.
func (l Locale) role(r string) string {
	k, ok := map[string]key{"primary": kRolePrimary, "replica": kRoleReplica, "intermediate": kRoleIntermediate,
		"standalone": kRoleStandalone, "group-member": kRoleGroup, "relay": kRoleRelay}[r]
	if !ok {
		return r
	}
	return l.text(k, nil)
}

// limits lists the bounds that hold work back; a zero bound is none.
func (l Locale) limits(x throttle.Limits) string {
	var out []string
	add := func(on bool, k key, v string) {
		if on {
			out = append(out, l.text(k, args{"v": plain(v)}))
		}
	}
	add(x.MaxLag > 0, kLimitLag, l.span(x.MaxLag))
	add(x.CriticalLag > 0, kLimitCritical, l.span(x.CriticalLag))
	add(x.ThreadsRunning > 0, kLimitThreads, strconv.Itoa(x.ThreadsRunning))
	add(x.HistoryLength > 0, kLimitHistory, strconv.FormatInt(x.HistoryLength, 10))
	add(x.LongTrx > 0, kLimitTrx, l.span(x.LongTrx))
	add(x.DiskFree > 0, kLimitDisk, bytesOf(x.DiskFree))
	if len(out) == 0 {
		return l.text(kLimitNone, nil)
	}
	return strings.Join(out, ", ")
}

// policyWords lists what the approver accepts beside the ordinary.
func policyWords(l Locale, p engine.Policy) string {
	var out []string
	for _, x := range []struct {
		on bool
		k  key
	}{{p.AllowPrimary, kAcceptPrimary}, {p.AllowErrant, kAcceptErrant}, {p.AllowPartial, kAcceptPartial},
		{p.AllowCopy, kAcceptCopy}, {p.AllowUnsafe, kAcceptUnsafe}, {p.CheckRows, kAcceptCheck}} {
		if x.on {
			out = append(out, l.text(x.k, nil))
		}
	}
	return strings.Join(out, ", ")
}

// window is a maintenance window in words.
func (l Locale) window(w engine.Window) string {
	zone := w.Zone
	if zone == "" {
		zone = "UTC"
	}
	text := w.From + "-" + w.To + " " + zone
	if len(w.Days) == 0 {
		return text
	}
	days := make([]string, len(w.Days))
	for i, d := range w.Days {
		days[i] = l.text(key("day_"+d), nil)
	}
	return l.text(kWindowDays, args{"window": plain(text), "days": plain(strings.Join(days, l.text(kListDays, nil)))})
}
