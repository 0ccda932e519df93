package slack

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
)

// Slack's real rates are enforced while two hundred jobs tick sixty times a second: there is no
// 429, decisions and final states do not wait behind progress.
func TestBudgetsUnderEnforcedRates(t *testing.T) {
	t.Parallel()
	const jobs, finals = 200, 8
	rate := 100.0
	s := newStage(t, func(o *Options) {
		o.Tuning.Rate = rate
		if rate == 1 {
			o.Tuning.EditEvery = 5 * time.Second
		}
	})
	key := func(i int) string { return fmt.Sprintf("R-%03d/card", i) }
	var cards []bot.Post
	for i := range jobs {
		cards = append(cards, bot.Post{Key: key(i), Channel: dbOps, Body: say(fmt.Sprint("job ", i)), Routine: true})
	}
	s.put(cards...)
	s.until("all posted", func() bool { return s.c.Stats().Out.Posted == jobs })
	s.stop()
	s.do("limits", map[string]any{"enforce": true, "scale": 1})
	rate = 1
	s.start()
	posted := len(s.calls(mPost))

	begun := time.Now()
	ended := map[int]time.Time{}
	tick := time.NewTicker(time.Second / 60)
	defer tick.Stop()
	for n := 0; time.Since(begun) < 12*time.Second; n++ {
		<-tick.C
		var posts []bot.Post
		for i := range jobs {
			if _, done := ended[i]; !done {
				posts = append(posts, bot.Post{Key: key(i), Channel: dbOps, Body: say(fmt.Sprint("job ", i, " tick ", n)), Routine: true})
			}
		}
		if time.Since(begun) > 4*time.Second && len(ended) < finals {
			i := len(ended)
			ended[i] = time.Now()
			posts = append(posts, bot.Post{Key: key(i), Channel: dbOps, Body: say(fmt.Sprint("job ", i, " finished"))})
			if i == 0 {
				posts = append(posts, bot.Post{Key: "new/card", Channel: dbOps, Body: say("please approve")})
			}
		}
		s.put(posts...)
	}
	var worst, post time.Duration
	for _, c := range s.calls(mUpdate) {
		for i, at := range ended {
			if c.OK && c.Args["text"] == fmt.Sprint("job ", i, " finished") {
				worst = max(worst, c.At.Sub(at))
				delete(ended, i)
				break
			}
		}
	}
	require.Empty(t, ended, "final states that are not shown")
	fresh := s.calls(mPost)[posted:]
	require.Len(t, fresh, 1)
	post = fresh[0].At.Sub(begun.Add(4 * time.Second))
	st := s.c.Stats().Out
	t.Logf("%d edits in %s, worst final %s, new card %s", st.Edited, time.Since(begun).Round(time.Second), worst, post)
	require.Zero(t, st.RateLimited)
	require.Less(t, worst, 5*time.Second)
	require.Less(t, post, 2*time.Second)
	require.LessOrEqual(t, st.Edited, int64(4+6+12*40/60+2))
}

func TestGateKeepsEveryMinuteWithinItsShare(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	g := newGates(1, func() time.Time { return now }, func() {})
	var routine, all []time.Time
	for range 5 * 60 * 20 { // five minutes of a sender that asks twenty times a second
		if g.edit(false) == 0 {
			all = append(all, now)
		}
		if g.edit(true) == 0 {
			routine = append(routine, now)
			all = append(all, now)
		}
		now = now.Add(50 * time.Millisecond)
	}
	most := func(times []time.Time) int {
		best := 0
		for i := range times {
			j := i
			for j < len(times) && times[j].Sub(times[i]) < time.Minute {
				j++
			}
			best = max(best, j-i)
		}
		return best
	}
	require.LessOrEqual(t, most(all), 50)
	require.LessOrEqual(t, most(routine), 40)
	require.Greater(t, len(all), 180, "and the budget is used")
}
