package throttle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mysql-recycler/engine/dbconn"
)

// Disks are the probes of the two places a rebuild writes to. Either may be nil: nobody can tell.
type Disks struct {
	Data DiskProbe // the file system of the data directory: the new file
	Temp DiskProbe // that of innodb_tmpdir, else tmpdir: the sort files of secondary indexes
}

// Free is what is free on a host's disks in bytes; zero is unknown.
type Free struct {
	Data int64 `json:"data,omitempty"`
	Temp int64 `json:"temp,omitempty"`
}

// Space is what a probe knows.
type Space struct {
	Bytes int64
	Known bool   // false: nobody can tell
	On    string // names the file system, so that two places can be seen to share one; empty: not known
}

// shares reports whether two places are known to be on one file system.
func (s Space) shares(o Space) bool { return s.Known && o.Known && s.On != "" && s.On == o.On }

// Outside are the probes that need no server, best first.
type Outside struct{ Data, Temp FirstKnown }

// Ask asks both probes. What fails is unknown here: this is for cards, a start asks again.
func (d Disks) Ask(ctx context.Context) Free {
	one := func(p DiskProbe) int64 {
		s, err := ask(ctx, p)
		if err != nil {
			return 0
		}
		return s.Bytes
	}
	return Free{Data: one(d.Data), Temp: one(d.Temp)}
}

// ask asks a probe that may not be there.
func ask(ctx context.Context, p DiskProbe) (Space, error) {
	if p == nil {
		return Space{}, nil
	}
	s, err := p.Free(ctx)
	if err != nil || !s.Known {
		return Space{}, err
	}
	return s, nil
}

// checkDisk compares the free disk with what the new file needs and what must stay free, and the
// free space for temporary files with what sorting needs. Both together must fit where both are on
// one file system. What must stay free can be nothing; a file that does not fit is never begun.
func (t *Throttle) checkDisk(ctx context.Context, table Table, v *Verdict) {
	need := t.limits.DiskFree + table.NeedBytes
	data, err := ask(ctx, t.disks.Data)
	if table.TempBytes > 0 {
		temp, terr := ask(ctx, t.disks.Temp)
		if data.shares(temp) {
			need += table.TempBytes
		}
		t.under(MetricTempFree, temp, terr, table.TempBytes, v)
	}
	t.under(MetricDiskFree, data, err, need, v)
}

// checkDiskNow compares it with what must stay free: the new file is being written already. Half
// of the reserve is the critical bound, so that a start at its very edge is not killed at once.
// Temporary files that find no room end the statement by themselves and are removed.
func (t *Throttle) checkDiskNow(ctx context.Context, v *Verdict) {
	if t.limits.DiskFree <= 0 {
		return
	}
	s, err := ask(ctx, t.disks.Data)
	t.under(MetricDiskFree, s, err, t.limits.DiskFree/2, v)
}

// under adds a reason when less than need is free. Nobody knowing is not a reason: that the disk is
// unknown was on the card.
func (t *Throttle) under(metric string, s Space, err error, need int64, v *Verdict) {
	r := Reason{Metric: metric, Limit: float64(need), Unit: "B", Where: t.target.Name}
	switch {
	case err != nil:
		r.Value, r.Detail = -1, words(err)
		v.add(false, r)
	case s.Known && s.Bytes < need:
		r.Value = float64(s.Bytes)
		v.add(false, r)
	}
}

// FirstKnown asks probes in order and takes the first that knows. An error of one is only told
// when no other knows.
type FirstKnown []DiskProbe

// Free implements DiskProbe.
func (p FirstKnown) Free(ctx context.Context) (Space, error) {
	var errs []error
	for _, probe := range p {
		s, err := probe.Free(ctx)
		if err == nil && s.Known {
			return s, nil
		}
		errs = append(errs, err)
	}
	return Space{}, errors.Join(errs...)
}

// DisksPlugin reads MariaDB's information_schema.DISKS, where the plugin is installed; nothing is
// installed for it. Reading it needs FILE on 10.5 and later.
// https://mariadb.com/kb/en/information-schema-disks-table/
type DisksPlugin struct {
	Server *dbconn.Server
	Temp   bool // of temporary files, else of the data directory
}

// Free implements DiskProbe: the free space of the file system that holds the directory, the one
// mounted deepest on its path.
func (p DisksPlugin) Free(ctx context.Context) (Space, error) {
	if p.Server.Version.Flavor != dbconn.MariaDB {
		return Space{}, nil
	}
	dir := "@@datadir"
	if p.Temp {
		dir = "COALESCE(NULLIF(@@innodb_tmpdir, ''), @@tmpdir)"
	}
	var free sql.NullInt64
	var path string
	err := p.Server.QueryRowContext(ctx, `SELECT Available * 1024, Path FROM information_schema.DISKS
 WHERE CONCAT(`+dir+`, '/') LIKE CONCAT(TRIM(TRAILING '/' FROM Path), '/%') ORDER BY LENGTH(Path) DESC LIMIT 1`).Scan(&free, &path)
	switch code := dbconn.Code(err); {
	case code == 1109 || code == 1227 || code == 1045 || errors.Is(err, sql.ErrNoRows): // no plugin, no privilege
		return Space{}, nil
	case err != nil:
		return Space{}, fmt.Errorf("read the free disk of %s: %w", p.Server.Name, err)
	}
	return Space{Bytes: free.Int64, Known: free.Valid, On: "mounted on " + path}, nil
}

// Fixed is a size somebody wrote into the configuration, in bytes; 0 is not known.
type Fixed int64

// Free implements DiskProbe.
func (f Fixed) Free(context.Context) (Space, error) { return Space{Bytes: int64(f), Known: f > 0}, nil }
