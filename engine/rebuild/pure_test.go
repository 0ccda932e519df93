package rebuild

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

func version(t *testing.T, raw string) dbconn.Version {
	t.Helper()
	v, err := dbconn.ParseVersion(raw)
	require.NoError(t, err)
	return v
}

func TestLosesRows(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"5.7.42-log": false, "8.0.26": false, "8.0.27": true, "8.0.40": true, "8.0.41": false, "8.0.46": false,
		"8.1.0": true, "8.3.0": true, "8.4.0": true, "8.4.3": true, "8.4.4": false, "9.0.1": true, "9.1.0": true, "9.2.0": false, "9.7.4-2": false,
		"26.7.0": false, "10.11.19-MariaDB": false, "8.0.36-28": true, "8.0.39-30": false, "8.0.39-29.1": true, "8.0.40-31-log": false,
		"8.4.2-2": false, "8.4.0-1": true, "8.0.35-0ubuntu0.22.04.1": true, "8.0.40-0ubuntu0.22.04.1": true, "8.0.39-30.1.el9": true,
	} {
		got, why := LosesRows(version(t, raw))
		require.Equal(t, want, got, raw)
		require.Equal(t, want, why != "", raw)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	mysql9, maria, affected := version(t, "9.7.4"), version(t, "10.11.19-MariaDB"), version(t, "8.0.36")
	inno := func(f ...tablespace.Feature) tablespace.Table {
		return tablespace.Table{Schema: "shop", Name: "t", Engine: "InnoDB", RowFormat: "Dynamic", Space: tablespace.SpaceOwn, Features: f}
	}
	in := func(s tablespace.Space) tablespace.Table { t := inno(); t.Space = s; return t }
	engine := func(e string) tablespace.Table { t := inno(); t.Engine = e; return t }
	system := inno()
	system.Schema = "mysql"
	allow := ChooseOptions{AllowCopy: true, StopSQLAffected: true}
	online := Method{Kind: Alter, Algorithm: Inplace, Lock: LockNone}
	shared := Method{Kind: Alter, Algorithm: Inplace, Lock: LockShared}
	copying := Method{Kind: Alter, Algorithm: Copy, Lock: LockShared}
	stopped := Method{Kind: Alter, Algorithm: Inplace, Lock: LockShared, StopSQL: true}
	leave := Method{Kind: Leave}
	cases := []struct {
		name string
		v    dbconn.Version
		t    tablespace.Table
		o    ChooseOptions
		want Method
	}{
		{"plain", mysql9, inno(), ChooseOptions{}, online},
		{"plain", maria, inno(), ChooseOptions{}, online},
		{"no key, foreign key, compressed, encrypted", mysql9, inno(tablespace.NoPrimaryKey, tablespace.ForeignKey, tablespace.Compressed, tablespace.Encrypted), ChooseOptions{}, online},
		{"fulltext not allowed", mysql9, inno(tablespace.FullText), ChooseOptions{}, leave},
		{"fulltext", mysql9, inno(tablespace.FullText), allow, copying},
		{"fulltext", maria, inno(tablespace.FullText), allow, shared},
		{"spatial", mysql9, inno(tablespace.Spatial), allow, shared},
		{"spatial not allowed", maria, inno(tablespace.Spatial), ChooseOptions{}, leave},
		{"virtual", mysql9, inno(tablespace.IndexedVirtual), ChooseOptions{}, online},
		{"virtual", maria, inno(tablespace.IndexedVirtual), allow, shared},
		{"system tablespace", mysql9, in(tablespace.SpaceSystem), allow, leave},
		{"general tablespace", mysql9, in(tablespace.SpaceGeneral), allow, leave},
		{"system schema", mysql9, system, allow, leave},
		{"myisam not allowed", mysql9, engine("MyISAM"), ChooseOptions{}, leave},
		{"myisam", mysql9, engine("MyISAM"), allow, Method{Kind: Optimize}},
		{"aria", maria, engine("Aria"), allow, Method{Kind: Optimize}},
		{"memory", maria, engine("MEMORY"), allow, leave},
		{"affected version, default", affected, inno(), ChooseOptions{}, leave},
		{"affected version, applier stopped", affected, inno(), allow, stopped},
		{"affected version, unsafe", affected, inno(), ChooseOptions{AllowUnsafe: true, StopSQLAffected: true}, online},
		{"affected version, copy is not affected", affected, inno(tablespace.FullText), allow, copying},
		{"too old", version(t, "5.5.62"), inno(), allow, leave},
	}
	for _, c := range cases {
		got := Choose(c.v, c.t, c.o)
		require.NotEmpty(t, got.Reason, c.name)
		got.Reason = ""
		require.Equal(t, c.want, got, "%s on %s", c.name, c.v)
	}
	parted := func(f ...tablespace.Feature) tablespace.Table { t := inno(f...); t.Partitions = 4; return t }
	for _, c := range []struct {
		v    dbconn.Version
		t    tablespace.Table
		o    ChooseOptions
		want Method
	}{
		{mysql9, parted(), ChooseOptions{}, shared},
		{maria, parted(), ChooseOptions{}, Method{Kind: Alter}},
		{version(t, "5.7.42"), parted(), ChooseOptions{}, Method{Kind: Alter}},
		{affected, parted(), allow, stopped},
		{affected, parted(), ChooseOptions{}, leave},
		{affected, parted(), ChooseOptions{AllowUnsafe: true}, shared},
		{mysql9, inno(), allow, leave},
		{maria, parted(tablespace.IndexedVirtual), allow, leave},
		{mysql9, parted(tablespace.ImplicitFormat), allow, leave},
	} {
		got := ChoosePartition(c.v, c.t, c.o)
		require.NotEmpty(t, got.Reason, c.v)
		require.Equal(t, got.Kind == Alter && !got.StopSQL, got.Blocks())
		got.Reason = ""
		require.Equal(t, c.want, got, "%s %+v", c.v, c.t)
	}
	old := inno(tablespace.ImplicitFormat)
	old.RowFormat = "Compact"
	require.Contains(t, Choose(mysql9, old, ChooseOptions{}).Reason, "Compact")
	require.Contains(t, Choose(affected, inno(), ChooseOptions{AllowUnsafe: true}).Reason, "UNSAFE")
}

func TestStatement(t *testing.T) {
	t.Parallel()
	task := Task{Job: "R-7QK2.2", Step: 3, Schema: "a`b", Table: "c`; DROP TABLE x; --", Mode: BinlogOff, Method: Method{Kind: Alter, Algorithm: Inplace, Lock: LockNone}}
	text, err := task.Statement()
	require.NoError(t, err)
	require.Equal(t, "ALTER /* recycler job=R-7QK2.2 step=3 */ TABLE `a``b`.`c``; DROP TABLE x; --` FORCE, ALGORITHM=INPLACE, LOCK=NONE", text)
	job, step, ok := parseTag(text)
	require.True(t, ok)
	require.Equal(t, "R-7QK2.2", job)
	require.Equal(t, 3, step)
	for _, other := range []string{"", "SELECT '/* recycler job=R-1 step=1 */ '", "ALTER TABLE t FORCE /* recycler job=R-1 step=1 */", " ALTER /* recycler job=R-1 step=1 */ TABLE t", "ALTER /* recycler job=R-1 step=x */ TABLE t"} {
		_, _, ok := parseTag(other)
		require.False(t, ok, other)
	}
	for _, m := range []Method{{Kind: Leave}, {Kind: Alter}, {Kind: Alter, Algorithm: Copy, Lock: LockNone}, {Kind: Alter, Algorithm: "INSTANT", Lock: LockNone}} {
		task.Method = m
		_, err := task.Statement()
		require.Error(t, err)
	}
}

func TestStatementOfAPartition(t *testing.T) {
	t.Parallel()
	task := Task{Job: "R-1", Step: 3, Schema: "s", Table: "t", Partition: "p`; x", Mode: BinlogOff, Method: Method{Kind: Alter, Algorithm: Inplace, Lock: LockShared}}
	text, err := task.Statement()
	require.NoError(t, err)
	require.Equal(t, "ALTER /* recycler job=R-1 step=3 */ TABLE `s`.`t` ALGORITHM=INPLACE, LOCK=SHARED, REBUILD PARTITION `p``; x`", text)
	task.Method = Method{Kind: Alter}
	text, err = task.Statement()
	require.NoError(t, err)
	require.Equal(t, "ALTER /* recycler job=R-1 step=3 */ TABLE `s`.`t` REBUILD PARTITION `p``; x`", text)
	for _, m := range []Method{{Kind: Alter, Algorithm: Inplace, Lock: LockNone}, {Kind: Alter, Algorithm: Copy, Lock: LockShared}, {Kind: Optimize}, {Kind: Plugin}} {
		task.Method = m
		require.Error(t, task.validate(hooks(new(Mark))))
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := Task{Job: "R-1", Step: 1, Schema: "s", Table: "t", Mode: BinlogOff, Method: Method{Kind: Alter, Algorithm: Inplace, Lock: LockNone}}
	h := hooks(new(Mark))
	require.NoError(t, good.validate(h))
	for name, change := range map[string]func(*Task, *Hooks){
		"job that ends the comment": func(t *Task, _ *Hooks) { t.Job = "x */ DROP" },
		"no job":                    func(t *Task, _ *Hooks) { t.Job = "" },
		"no mode":                   func(t *Task, _ *Hooks) { t.Mode = "" },
		"system schema":             func(t *Task, _ *Hooks) { t.Schema = "MySQL" },
		"no table":                  func(t *Task, _ *Hooks) { t.Table = "" },
		"leave":                     func(t *Task, _ *Hooks) { t.Method.Kind = Leave },
		"nobody asked":              func(_ *Task, h *Hooks) { h.Permit = nil },
		"nobody writes":             func(_ *Task, h *Hooks) { h.Begin = nil },
		"applier unrecorded":        func(t *Task, _ *Hooks) { t.Method.StopSQL = true },
	} {
		task, h := good, hooks(new(Mark))
		change(&task, &h)
		require.Error(t, task.validate(h), name)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	for number, class := range map[uint16]Class{1317: ClassKilled, 1205: ClassLockWait, 1213: ClassDeadlock, 1799: ClassOnlineLog, 1062: ClassDuplicate, 1114: ClassDiskFull,
		1146: ClassTableGone, 1846: ClassUnsuitable, 1290: ClassReadOnly, 1227: ClassPrivilege, 9999: ClassOther} {
		e := failure(fmt.Errorf("alter: %w", &mysql.MySQLError{Number: number, Message: "Duplicate entry 'secret'"}))
		require.Equal(t, class, e.Class)
		require.Equal(t, number, e.Number)
		require.NotEmpty(t, e.Sentence())
		require.ErrorIs(t, e, &Error{Class: class})
		require.NotErrorIs(t, e, &Error{Class: ClassUnknown})
		require.Equal(t, class == ClassLockWait || class == ClassDeadlock, e.Retry)
		if class == ClassDuplicate {
			require.NotContains(t, e.Error(), "secret")
		}
	}
	mine := &Error{Class: ClassPromoted}
	require.Same(t, mine, failure(fmt.Errorf("x: %w", mine)))
	require.ErrorIs(t, &Error{Class: ClassKilled, Err: ErrLeave}, ErrLeave)
	require.NotErrorIs(t, errors.New("x"), ErrKilled)
}

func TestRebuiltSince(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	m := Mark{ServerNow: now, CreateTime: now.Add(-time.Hour), SpaceID: 10}
	spaces := func(a, b int64) tablespace.Spaces { return tablespace.Spaces{Least: a, Greatest: b} }
	require.False(t, rebuiltSince(m, tablespace.State{Spaces: spaces(10, 10), Created: now}), "the id decides where there is one")
	require.True(t, rebuiltSince(m, tablespace.State{Spaces: spaces(11, 11)}))
	require.False(t, rebuiltSince(m, tablespace.State{Spaces: spaces(9, 12)}), "one partition alone was rebuilt")
	m.SpaceID = 0
	require.True(t, rebuiltSince(m, tablespace.State{Created: now.Add(time.Second)}))
	require.False(t, rebuiltSince(m, tablespace.State{Created: m.CreateTime}))
	require.False(t, rebuiltSince(m, tablespace.State{}))
}

func TestProgressNeverDone(t *testing.T) {
	t.Parallel()
	g := newGauge(nil, Task{Predicted: 100 << 20}, 1)
	now, last := time.Now(), 0.0
	for i := range 120 {
		p := g.progress(now.Add(time.Duration(i)*time.Second), min(int64(i)*4<<20, 120<<20), work{})
		require.GreaterOrEqual(t, p.Fraction, last)
		require.Less(t, p.Fraction, 1.0)
		last = p.Fraction
		if i == 10 {
			require.InDelta(t, 4<<20, p.Rate, 1)
			require.InDelta(t, 23, p.ETA.Seconds(), 1)
		}
	}
	require.Greater(t, last, 0.95)

	// What the server says of a copy counts more than the size of its file, which may be predicted wrongly.
	g = newGauge(nil, Task{Predicted: 100 << 20}, 1)
	for i := range 6 {
		p := g.progress(now.Add(time.Duration(i)*time.Second), int64(i)*20<<20, work{copied: float64(i) * 0.1})
		require.InDelta(t, 0.75*0.1*float64(i), p.Fraction, 0.001)
		if i == 5 {
			require.InDelta(t, 5+10.0/3, p.ETA.Seconds(), 1)
		}
	}
	require.InDelta(t, 0.75, g.progress(now.Add(7*time.Second), 0, work{copied: 1}).Fraction, 0.001)
	require.GreaterOrEqual(t, g.progress(now.Add(8*time.Second), 0, work{copied: 0.2}).Fraction, 0.75, "never back")
}

func TestChannelStatements(t *testing.T) {
	t.Parallel()
	require.Equal(t, "STOP REPLICA SQL_THREAD FOR CHANNEL 'it\\'s'", channel{name: "it's"}.statement(version(t, "9.7.4"), false))
	require.Equal(t, "START SLAVE SQL_THREAD FOR CHANNEL ''", channel{}.statement(version(t, "5.7.42"), true))
	require.Equal(t, "START SLAVE 'eu' SQL_THREAD", channel{name: "eu"}.statement(version(t, "10.11.19-MariaDB"), true))
	require.Equal(t, "STOP SLAVE SQL_THREAD", channel{}.statement(version(t, "5.6.24"), false))
	require.Equal(t, "applier:eu", channel{name: "eu"}.change())
}
