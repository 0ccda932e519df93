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

// gauge measures a running rebuild by the size of the file it writes. The server's own stages
// stand still for most of the time on 8.0.27+ and are empty on MariaDB; they give the phase's name.
type gauge struct {
	srv        *dbconn.Server
	t          Task
	connection uint64
	samples    []point
	name       tablespace.DiskName
	tail       time.Time // when the file had reached its predicted size
}

// point is the size of the new file at a time.
type point struct {
	at    time.Time
	bytes int64
}

// writing is the share of the time in which the file grows; flushing and committing follow
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
	return g.progress(time.Now(), bytes, g.phase(ctx)), true
}

// progress turns a size into a fraction, a rate and a time to go.
func (g *gauge) progress(now time.Time, bytes int64, phase string) Progress {
	g.samples = append(g.samples, point{now, bytes})
	for len(g.samples) > 2 && now.Sub(g.samples[0].at) > rateOver {
		g.samples = g.samples[1:]
	}
	p := Progress{Phase: phase, Bytes: bytes}
	first := g.samples[0]
	if d := now.Sub(first.at).Seconds(); d > 0 && bytes > first.bytes {
		p.Rate = float64(bytes-first.bytes) / d
	}
	if g.t.Predicted <= 0 {
		return p
	}
	share := float64(bytes) / float64(g.t.Predicted)
	if share < 1 {
		p.Fraction = share * writing
		if p.Rate > 0 {
			left := float64(g.t.Predicted-bytes) / p.Rate
			p.ETA = time.Duration((left + float64(g.t.Predicted)/p.Rate*(1-writing)/writing) * float64(time.Second)).Round(time.Second)
		}
		return p
	}
	if g.tail.IsZero() {
		g.tail = now
	}
	// The rest approaches 0.99 and never says 1: only the server's OK does.
	p.Fraction = writing + (0.99-writing)*(1-math.Exp(-now.Sub(g.tail).Seconds()/20))
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

// phase is what the server says the connection does: the stage of performance_schema where its
// consumer is on, else the state in the process list.
func (g *gauge) phase(ctx context.Context) string {
	if g.srv.Version.Flavor == dbconn.MySQL && g.srv.Facts().On("performance_schema") {
		if s := g.stage(ctx); s != "" {
			return g.explain(ctx, s)
		}
	}
	list, err := processes(ctx, g.srv)
	if err != nil {
		return "running"
	}
	for _, p := range list {
		if id, ok := p.Int("Id"); ok && uint64(id) == g.connection && p.Text("State") != "" {
			return g.explain(ctx, p.Text("State"))
		}
	}
	return "running"
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
// on for it: it is a global setting, and the phase is only decoration.
const stageSQL = `SELECT e.EVENT_NAME FROM performance_schema.events_stages_current e
 JOIN performance_schema.threads t USING (THREAD_ID) WHERE t.PROCESSLIST_ID = ? ORDER BY e.EVENT_ID DESC LIMIT 1`

// stage is the name of the stage, empty when performance_schema does not tell.
func (g *gauge) stage(ctx context.Context) string {
	var name string
	if err := g.srv.QueryRowContext(ctx, stageSQL, g.connection).Scan(&name); err != nil {
		return ""
	}
	name = name[strings.LastIndexByte(name, '/')+1:]
	if i := strings.Index(name, "("); i > 0 { // "alter table (read PK and internal sort)"
		name = strings.TrimSuffix(name[i+1:], ")")
	}
	return name
}
