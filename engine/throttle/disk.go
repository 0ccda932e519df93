package throttle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mysql-recycler/engine/dbconn"
)

// checkDisk compares the free disk with what the new file needs and what must stay free.
func (t *Throttle) checkDisk(ctx context.Context, table Table, v *Verdict) {
	t.diskUnder(ctx, t.limits.DiskFree+table.NeedBytes, v)
}

// checkDiskNow compares it with what must stay free: the new file is being written already. Half
// of the reserve is the critical bound, so that a start at its very edge is not killed at once.
func (t *Throttle) checkDiskNow(ctx context.Context, v *Verdict) {
	t.diskUnder(ctx, t.limits.DiskFree/2, v)
}

// diskUnder adds a reason when less than need is free. A probe that does not know is not a reason:
// that the disk is unknown was on the card.
func (t *Throttle) diskUnder(ctx context.Context, need int64, v *Verdict) {
	if t.limits.DiskFree <= 0 || t.disk == nil {
		return
	}
	r := Reason{Metric: MetricDiskFree, Limit: float64(need), Unit: "B", Where: t.target.Name}
	free, known, err := t.disk.Free(ctx)
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
type DisksPlugin struct{ Server *dbconn.Server }

// Free implements DiskProbe: the free space of the file system that holds the data directory, the
// one mounted deepest on its path.
func (p DisksPlugin) Free(ctx context.Context) (int64, bool, error) {
	if p.Server.Version.Flavor != dbconn.MariaDB {
		return 0, false, nil
	}
	var free sql.NullInt64
	err := p.Server.QueryRowContext(ctx, `SELECT Available * 1024 FROM information_schema.DISKS
 WHERE CONCAT(@@datadir, '/') LIKE CONCAT(TRIM(TRAILING '/' FROM Path), '/%') ORDER BY LENGTH(Path) DESC LIMIT 1`).Scan(&free)
	switch code := dbconn.Code(err); {
	case code == 1109 || code == 1227 || code == 1045 || errors.Is(err, sql.ErrNoRows): // no plugin, no privilege
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("read the free disk of %s: %w", p.Server.Name, err)
	}
	return free.Int64, free.Valid, nil
}

// Hook asks somebody outside, a command or a monitoring system, for the free bytes of a host.
type Hook func(ctx context.Context) (int64, error)

// Free implements DiskProbe.
func (h Hook) Free(ctx context.Context) (int64, bool, error) {
	free, err := h(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("ask the hook for the free disk: %w", err)
	}
	return free, true, nil
}

// Fixed is a size somebody wrote into the configuration, in bytes.
type Fixed int64

// Free implements DiskProbe.
func (f Fixed) Free(context.Context) (int64, bool, error) { return int64(f), f > 0, nil }
