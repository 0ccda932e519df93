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

// Ask asks both probes. What fails is unknown here: this is for cards, a start asks again.
func (d Disks) Ask(ctx context.Context) Free {
	one := func(p DiskProbe) int64 {
		if p == nil {
			return 0
		}
		free, known, err := p.Free(ctx)
		if err != nil || !known {
			return 0
		}
		return free
	}
	return Free{Data: one(d.Data), Temp: one(d.Temp)}
}

// checkDisk compares the free disk with what the new file needs and what must stay free, and the
// free space for temporary files with what sorting needs.
func (t *Throttle) checkDisk(ctx context.Context, table Table, v *Verdict) {
	if t.limits.DiskFree <= 0 {
		return
	}
	t.under(ctx, MetricDiskFree, t.disks.Data, t.limits.DiskFree+table.NeedBytes, v)
	if table.TempBytes > 0 {
		t.under(ctx, MetricTempFree, t.disks.Temp, table.TempBytes, v)
	}
}

// checkDiskNow compares it with what must stay free: the new file is being written already. Half
// of the reserve is the critical bound, so that a start at its very edge is not killed at once.
// Temporary files that find no room end the statement by themselves and are removed.
func (t *Throttle) checkDiskNow(ctx context.Context, v *Verdict) {
	if t.limits.DiskFree > 0 {
		t.under(ctx, MetricDiskFree, t.disks.Data, t.limits.DiskFree/2, v)
	}
}

// under adds a reason when less than need is free. A probe that does not know is not a reason:
// that the disk is unknown was on the card.
func (t *Throttle) under(ctx context.Context, metric string, probe DiskProbe, need int64, v *Verdict) {
	if probe == nil {
		return
	}
	r := Reason{Metric: metric, Limit: float64(need), Unit: "B", Where: t.target.Name}
	free, known, err := probe.Free(ctx)
	switch {
	case err != nil:
		r.Value, r.Detail = -1, words(err)
		v.add(false, r)
	case known && free < need:
		r.Value = float64(free)
		v.add(false, r)
	}
}

// FirstKnown asks probes in order and takes the first that knows. An error of one is only told
// when no other knows.
type FirstKnown []DiskProbe

// Free implements DiskProbe.
func (p FirstKnown) Free(ctx context.Context) (int64, bool, error) {
	var errs []error
	for _, probe := range p {
		free, known, err := probe.Free(ctx)
		if err == nil && known {
			return free, true, nil
		}
		errs = append(errs, err)
	}
	return 0, false, errors.Join(errs...)
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
func (p DisksPlugin) Free(ctx context.Context) (int64, bool, error) {
	if p.Server.Version.Flavor != dbconn.MariaDB {
		return 0, false, nil
	}
	dir := "@@datadir"
	if p.Temp {
		dir = "COALESCE(NULLIF(@@innodb_tmpdir, ''), @@tmpdir)"
	}
	var free sql.NullInt64
	err := p.Server.QueryRowContext(ctx, `SELECT Available * 1024 FROM information_schema.DISKS
 WHERE CONCAT(`+dir+`, '/') LIKE CONCAT(TRIM(TRAILING '/' FROM Path), '/%') ORDER BY LENGTH(Path) DESC LIMIT 1`).Scan(&free)
	switch code := dbconn.Code(err); {
	case code == 1109 || code == 1227 || code == 1045 || errors.Is(err, sql.ErrNoRows): // no plugin, no privilege
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("read the free disk of %s: %w", p.Server.Name, err)
	}
	return free.Int64, free.Valid, nil
}

// Fixed is a size somebody wrote into the configuration, in bytes.
type Fixed int64

// Free implements DiskProbe.
func (f Fixed) Free(context.Context) (int64, bool, error) { return int64(f), f > 0, nil }
