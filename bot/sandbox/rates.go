package sandbox

import "time"

// tier is a documented rate class of a Web API method.
type tier struct {
	perMinute float64
	burst     float64 // how many may come at once after a quiet minute
}

// The documented numbers are per method, workspace and app
// (docs.slack.dev/apis/web-api/rate-limits). How much burst Slack tolerates is
// not documented: "short bursts" are allowed. A full minute's worth is assumed
// for tiers 2 to 4; four for apps.connections.open, so that two sockets can be
// opened and opened again; five for posts into one channel.
var (
	tier1    = tier{1, 4}
	tier2    = tier{20, 20}
	tier3    = tier{50, 50}
	tier4    = tier{100, 100}
	tierHigh = tier{600, 600}
	tierPost = tier{60, 5} // chat.postMessage, per channel
)

// limited is an answer 429.
type limited struct{ after time.Duration }

func (l *limited) Error() string { return "ratelimited" }

// rateBook holds one bucket for each method, or method and channel.
type rateBook struct {
	enforce bool
	scale   float64 // 1 is real; 10 is ten times as generous
	buckets map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newRates(enforce bool) *rateBook {
	return &rateBook{enforce: enforce, scale: 1, buckets: map[string]*bucket{}}
}

// take spends one call and returns zero, or how long the caller has to wait.
func (b *rateBook) take(key string, t tier, now time.Time) time.Duration {
	if !b.enforce || t.perMinute == 0 {
		return 0
	}
	perSecond, burst := t.perMinute*b.scale/60, max(1, t.burst*b.scale)
	k := b.buckets[key]
	if k == nil {
		k = &bucket{left: burst, at: now}
		b.buckets[key] = k
	}
	k.left = min(burst, k.left+now.Sub(k.at).Seconds()*perSecond)
	k.at = now
	if k.left >= 1 {
		k.left--
		return 0
	}
	return time.Duration((1 - k.left) / perSecond * float64(time.Second))
}
