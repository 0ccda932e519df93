package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"mysql-recycler/storage/backup"
)

// backups are those of this process: the active bot makes them, every process that sees the folder
// tells how old the newest is.
type backups struct {
	folder string
	failed atomic.Int64 // tries of this process that made none
}

// keepBackups makes backups at their times, while this process is the active bot.
func (a *app) keepBackups(ctx context.Context) error {
	c := a.conf.Load().config.Backup
	if c.Folder == "" {
		return nil
	}
	to, err := backup.Recipients(c.Recipients)
	if err != nil {
		return fmt.Errorf("backups: %w", err)
	}
	told := func(_ backup.File, err error) {
		if err != nil && ctx.Err() == nil {
			a.backups.failed.Add(1)
		}
	}
	k := &backup.Keeper{DB: a.db, Folder: c.Folder, To: to, Keep: c.Keep, Next: c.Next, Told: told, Log: a.log.Named("backup")}
	return k.Run(ctx)
}

var (
	backupTaken  = prometheus.NewDesc("recycler_backup_last_success_timestamp_seconds", "When the newest backup of the folder was made.", nil, nil)
	backupBytes  = prometheus.NewDesc("recycler_backup_last_bytes", "Size of the newest backup of the folder.", nil, nil)
	backupFailed = prometheus.NewDesc("recycler_backup_failures_total", "Tries to make a backup that made none.", nil, nil)
)

// Describe implements prometheus.Collector.
func (b *backups) Describe(ch chan<- *prometheus.Desc) {
	ch <- backupTaken
	ch <- backupBytes
	ch <- backupFailed
}

// Collect implements prometheus.Collector. Without backups in the configuration there is nothing to
// tell, and before the first one no time.
func (b *backups) Collect(ch chan<- prometheus.Metric) {
	if b.folder == "" {
		return
	}
	ch <- prometheus.MustNewConstMetric(backupFailed, prometheus.CounterValue, float64(b.failed.Load()))
	files, err := backup.List(b.folder)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(backupTaken, err)
		return
	}
	if len(files) > 0 {
		ch <- prometheus.MustNewConstMetric(backupTaken, prometheus.GaugeValue, float64(files[0].Taken.Unix()))
		ch <- prometheus.MustNewConstMetric(backupBytes, prometheus.GaugeValue, float64(files[0].Bytes))
	}
}
