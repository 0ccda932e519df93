package topology

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// Heartbeat is where pt-heartbeat writes and which clock it writes by. The zero value is none.
type Heartbeat struct {
	Table string // schema.table; empty: none
	// UTC says that it runs with --utc. Without, it writes the local time of its machine, which is
	// read as the local time of the replica's machine: both must be in one time zone.
	UTC bool
}

// heartbeatSkew is how far a heartbeat may lie in the future: clocks are a little apart.
const heartbeatSkew = 5 * time.Second

// SQL asks for the age of every row. SYSTEM is the time zone of the machine, whatever the server's
// time_zone is: pt-heartbeat does not know that one.
func (h Heartbeat) SQL() string {
	schema, table, ok := strings.Cut(h.Table, ".")
	name := dbconn.QuoteName(schema, table)
	if !ok {
		name = dbconn.QuoteName(schema)
	}
	ts := "CONVERT_TZ(ts, 'SYSTEM', '+00:00')"
	if h.UTC {
		ts = "ts"
	}
	return "SELECT server_id, TIMESTAMPDIFF(MICROSECOND, " + ts + ", UTC_TIMESTAMP(6)) AS age_us FROM " + name
}

// Read reads the table on a server.
func (h Heartbeat) Read(ctx context.Context, q dbconn.Querier) ([]Beat, error) {
	answer := dbconn.AskAll(ctx, q, []string{h.SQL()})[0]
	if answer.Err != nil {
		return nil, fmt.Errorf("read the heartbeat: %w", answer.Err)
	}
	return Beats(answer.Rows), nil
}

// Beat is one row of the heartbeat table: who wrote it, and how old it is.
type Beat struct {
	ServerID uint32
	Age      time.Duration // below zero: written in the future
}

// Beats reads the rows of Heartbeat.SQL. A time nobody can read counts as the far future, which
// is no lag that anybody knows.
func Beats(rows []dbconn.Row) []Beat {
	var out []Beat
	for _, r := range rows {
		id, _ := r.Int("server_id")
		b := Beat{ServerID: uint32(id), Age: -time.Duration(1<<63 - 1)}
		if us, ok := r.Int("age_us"); ok {
			b.Age = time.Duration(us) * time.Microsecond
		}
		out = append(out, b)
	}
	return out
}

// BeatThrough is the age of the newest heartbeat that came to a server through a channel, never
// below zero. With one channel that is anybody's but the server's own; with several, that of the
// channel's source where it writes one, because another channel's says nothing about this one. A
// heartbeat from the future is an error: its age is not known, and it must not pass for none.
func BeatThrough(beats []Beat, self, source uint32, channels int) (time.Duration, error) {
	var best *Beat
	direct := false
	for n := range beats {
		b := &beats[n]
		if b.ServerID == self {
			continue
		}
		of := channels > 1 && b.ServerID == source
		if best == nil || (of && !direct) || (of == direct && b.Age < best.Age) {
			best, direct = b, of
		}
	}
	switch {
	case len(beats) == 0:
		return 0, errors.New("the heartbeat table is empty")
	case best == nil:
		return 0, errors.New("the heartbeat table has rows of the server itself alone")
	case best.Age < -heartbeatSkew:
		return 0, fmt.Errorf("the heartbeat of server_id %d lies in the future: heartbeat_utc does not fit how pt-heartbeat runs, or a clock is wrong", best.ServerID)
	}
	return max(0, best.Age), nil
}
