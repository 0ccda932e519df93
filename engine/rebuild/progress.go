package rebuild

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
	"mysql-recycler/engine/throttle"
)

// gauge measures a running rebuild: one that copies by the rows that the server says it has copied, where
// it says so, and any other by the size of the file it writes. For those the server's own stages stand
// still for most of the time on 8.0.27+ and are empty on MariaDB; they give the phase's name.
type gauge struct {
	srv        *dbconn.Server
	t          Task
	connection uint64
	samples    []point
	name       tablespace.DiskName
	tail       time.Time // when all was written
	reached    float64   // Fraction never goes back
}

// point is how much was written at a time.
type point struct {
	at    time.Time
	bytes int64
	share float64 // of what is to be written
}

// work is what the server says of the statement.
type work struct {
	phase  string
	copied float64 // share of the rows; 0: it does not say
}

// writing is the share of the time in which the file is written; flushing and committing follow
// (measured on 5.7 to 9.7 and MariaDB: a quarter to a third).
const writing = 0.75

// rateOver is how far back the rate looks.
const rateOver = time.Minute

// newGauge makes a gauge for the statement of a connection.
func newGauge(srv *dbconn.Server, t Task, connection uint64) *gauge {
	return &gauge{srv: srv, t: t, connection: connection}
}

// read takes one measurement; ok is false when the server could not be asked.
func (g *gauge) read(ctx context.Context) (Progress, bool) {
	bytes, _, err := g.size(ctx)
	if err != nil {
		return Progress{}, false
	}
	return g.progress(time.Now(), bytes, g.work(ctx)), true
}

// progress turns a size, and what the server says, into a fraction, a rate and a time to go.
func (g *gauge) progress(now time.Time, bytes int64, w work) Progress {
	share := w.copied
	if share == 0 && g.t.Predicted > 0 {
		share = float64(bytes) / float64(g.t.Predicted)
	}
	g.samples = append(g.samples, point{now, bytes, share})
	for len(g.samples) > 2 && now.Sub(g.samples[0].at) > rateOver {
		g.samples = g.samples[1:]
	}
	p := Progress{Phase: w.phase, Bytes: bytes}
	first := g.samples[0]
	seconds := now.Sub(first.at).Seconds()
	if seconds > 0 && bytes > first.bytes {
		p.Rate = float64(bytes-first.bytes) / seconds
	}
	switch {
	case share < 1:
		p.Fraction = share * writing
		if seconds > 0 && share > first.share {
			all := seconds / (share - first.share)
			p.ETA = time.Duration((all*(1-share) + all*(1-writing)/writing) * float64(time.Second)).Round(time.Second)
		}
	default: // the rest approaches 0.99 and never says 1: only the server's OK does
		if g.tail.IsZero() {
			g.tail = now
		}
		p.Fraction = writing + (0.99-writing)*(1-math.Exp(-now.Sub(g.tail).Seconds()/20))
	}
	g.reached = max(g.reached, p.Fraction)
	p.Fraction = g.reached
	return p
}

// size is the size of the file the statement writes; found is false when there is none (yet).
func (g *gauge) size(ctx context.Context) (bytes int64, found bool, err error) {
	if g.t.Method.Kind == Plugin {
		bytes, err = tablespace.Size(ctx, g.srv, g.srv.Version, g.t.Schema, "_"+g.t.Table+"_new")
		if errors.Is(err, tablespace.ErrGone) {
			return 0, false, nil
		}
		return bytes, err == nil, err
	}
	files, err := g.files(ctx)
	for _, f := range files {
		bytes += f.Bytes
	}
	return bytes, len(files) > 0, err
}

// files are those the statement writes.
func (g *gauge) files(ctx context.Context) (files []tablespace.NewFile, err error) {
	if g.name.Table == "" {
		if g.name, err = tablespace.DiskNameOf(ctx, g.srv, g.srv.Version, g.t.Schema, g.t.Table); err != nil {
			return nil, err
		}
	}
	files, err = tablespace.Growing(ctx, g.srv, g.srv.Version, g.name, g.connection, g.t.Mark.SpaceID)
	if err != nil {
		return nil, fmt.Errorf("measure the new file: %w", err)
	}
	return files, nil
}

// work is what the server says the connection does: the stage of performance_schema where its
// consumer is on, else the state in the process list.
func (g *gauge) work(ctx context.Context) work {
	if g.srv.Version.Flavor == dbconn.MySQL && g.srv.Facts().On("performance_schema") {
		if w := g.stage(ctx); w.phase != "" {
			w.phase = g.explain(ctx, w.phase)
			return w
		}
	}
	w := work{phase: "running"}
	list, err := processes(ctx, g.srv)
	if err != nil {
		return w
	}
	for _, p := range list {
		if id, ok := p.Int("Id"); ok && uint64(id) == g.connection && p.Text("State") != "" {
			w.phase = g.explain(ctx, p.Text("State"))
		}
	}
	if g.srv.Version.Flavor == dbconn.MariaDB && g.t.Method.Algorithm == Copy {
		w.copied = g.copying(ctx)
	}
	return w
}

// copying is MariaDB's own report of a copy: 1 is the stage in which it copies, what follows is our tail.
// https://mariadb.com/kb/en/progress-reporting/
func (g *gauge) copying(ctx context.Context) float64 {
	var stage int
	var percent float64
	err := g.srv.QueryRowContext(ctx, "SELECT STAGE, PROGRESS FROM information_schema.PROCESSLIST WHERE ID = ? AND MAX_STAGE > 1", g.connection).Scan(&stage, &percent)
	switch {
	case err != nil:
		return 0
	case stage > 1:
		return 1
	}
	return percent / 100
}

// lockState is the state of a statement that waits for a metadata lock.
const lockState = "Waiting for table metadata lock"

// explain adds to a state who is waited for: new readers of the table queue behind our statement
// then, and a person may want to end the transaction that holds it.
func (g *gauge) explain(ctx context.Context, state string) string {
	if state != lockState {
		return state
	}
	holders, err := throttle.Holders(ctx, g.srv, g.srv.Version, g.t.Schema, g.t.Table)
	if err != nil {
		return state
	}
	for _, h := range holders {
		if h.ConnectionID != g.connection {
			return state + ": " + h.String()
		}
	}
	return state
}

// stageSQL is the newest stage of a connection. The consumer is off by default and is not switched
// on for it: it is a global setting, and the file tells as much.
const stageSQL = `SELECT e.EVENT_NAME, COALESCE(e.WORK_COMPLETED, 0), COALESCE(e.WORK_ESTIMATED, 0) FROM performance_schema.events_stages_current e
 JOIN performance_schema.threads t USING (THREAD_ID) WHERE t.PROCESSLIST_ID = ? ORDER BY e.EVENT_ID DESC LIMIT 1`

// copyStage is the stage whose work is counted in rows.
const copyStage = "copy to tmp table"

// stage is the stage of the connection, without a name when performance_schema does not tell.
func (g *gauge) stage(ctx context.Context) work {
	var name string
	var completed, estimated float64
	if err := g.srv.QueryRowContext(ctx, stageSQL, g.connection).Scan(&name, &completed, &estimated); err != nil {
		return work{}
	}
	w := work{phase: name[strings.LastIndexByte(name, '/')+1:]}
	if w.phase == copyStage && estimated > 0 { // estimated from statistics, so that it can be less than there are
		w.copied = min(1, completed/estimated)
	}
	if i := strings.Index(w.phase, "("); i > 0 { // "alter table (read PK and internal sort)"
		w.phase = strings.TrimSuffix(w.phase[i+1:], ")")
	}
	return w
}
