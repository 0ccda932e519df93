package gtid_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/topology/gtid"
)

const (
	a = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	b = "4e11fa47-71ca-11e1-9e33-c80aa9429562"
)

func set(t testing.TB, text string) gtid.Set {
	t.Helper()
	s, err := gtid.ParseSet(text)
	require.NoError(t, err)
	return s
}

func TestSetText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                       "",
		a + ":1-3":                               a + ":1-3",
		a + ":5:1-3:4":                           a + ":1-5",
		b + ":1,\n" + a + ":2":                   a + ":2," + b + ":1",
		a + ":1-3:app:7:9-10:x_1:2":              a + ":1-3:app:7:9-10:x_1:2",
		a + ":APP:1":                             a + ":app:1",
		"3E11FA47-71CA-11E1-9E33-C80AA9429562:1": a + ":1",
	} {
		require.Equal(t, want, set(t, in).String(), "%q", in)
	}
	for _, bad := range []string{"x", a, a + ":0", a + ":3-1", a + ":1-x", a + ":1,zz:1", a + ":99999999999999999999"} {
		_, err := gtid.ParseSet(bad)
		require.Error(t, err, bad)
	}
}

func TestSetArithmetic(t *testing.T) {
	t.Parallel()
	replica, primary := set(t, a+":1-100,"+b+":1-2:app:1"), set(t, a+":1-90:95-200")
	require.Equal(t, a+":91-94,"+b+":1-2:app:1", replica.Subtract(primary).String())
	require.EqualValues(t, 7, replica.Subtract(primary).Count())
	require.Equal(t, b+":1-2:app:1", replica.Of(b).String())
	require.False(t, primary.Contains(replica))
	require.True(t, primary.Union(replica).Contains(replica))
	require.True(t, primary.Contains(gtid.Set{}))
	require.Equal(t, a+":1-90:95-200", primary.String(), "operations leave their operands alone")
}

// Random sets of small numbers agree with plain sets of integers.
func TestSetAgainstIntegers(t *testing.T) {
	t.Parallel()
	random := func() (gtid.Set, map[int]bool) {
		text, plain := "", map[int]bool{}
		for range rand.IntN(6) {
			from := 1 + rand.IntN(30)
			to := from + rand.IntN(6)
			text += fmt.Sprintf(",%s:%d-%d", a, from, to)
			for n := from; n <= to; n++ {
				plain[n] = true
			}
		}
		return set(t, text), plain
	}
	for range 3000 {
		s, sp := random()
		o, op := random()
		both, rest := map[int]bool{}, 0
		for n := range sp {
			both[n] = true
			if !op[n] {
				rest++
			}
		}
		for n := range op {
			both[n] = true
		}
		require.EqualValues(t, len(sp), s.Count(), "%s", s)
		require.EqualValues(t, rest, s.Subtract(o).Count(), "%s - %s", s, o)
		require.EqualValues(t, len(both), s.Union(o).Count(), "%s + %s", s, o)
		require.Equal(t, rest == 0, o.Contains(s))
		require.Equal(t, s.String(), set(t, s.String()).String())
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	s, err := gtid.ParseState("0-1-100,0-2-57, 7-2-9")
	require.NoError(t, err)
	require.Equal(t, "0-1-100,0-2-57,7-2-9", s.String())
	o, err := gtid.ParseState("0-1-90,0-2-57")
	require.NoError(t, err)
	require.Equal(t, "0-1-100,7-2-9", s.Ahead(o).String())
	require.Equal(t, "0-2-57,7-2-9", s.Of(2).String())
	require.True(t, o.Ahead(s).Empty())
	require.EqualValues(t, 10+9, s.Behind(o))
	require.Zero(t, o.Behind(s))
	for _, bad := range []string{"1-2", "a-1-1", "0-1-2-3", "5000000000-1-1", "x"} {
		_, err := gtid.ParseState(bad)
		require.Error(t, err, bad)
	}
}

func FuzzParseSet(f *testing.F) {
	f.Add(a + ":1-3:5:tag:7," + b + ":1")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := gtid.ParseSet(text)
		if err != nil {
			return
		}
		again, err := gtid.ParseSet(s.String())
		require.NoError(t, err, "%q", s.String())
		require.Equal(t, s.String(), again.String())
	})
}
