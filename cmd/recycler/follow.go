package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// An editor writes in steps: files must have been left alone for settle before they are read. A
// folder in which something changes all the time is looked at after settleMost.
const (
	settle     = 300 * time.Millisecond
	settleMost = 2 * time.Second
)

// follow reloads on SIGHUP and when a file of the configuration changed, until ctx ends. Folders are
// watched and not files: editors and Kubernetes put another file in the place of the old one. What
// counts is whether the contents differ from those of the last try, so that it does not matter how
// they were changed, and a broken file is told once.
func (r *reloader) follow(ctx context.Context) error {
	defer signal.Stop(r.hup)
	var events chan fsnotify.Event
	var troubles chan error
	w, err := fsnotify.NewWatcher()
	if err != nil { // the system has no watches left
		r.log.Warn("changes of the file are not seen; send SIGHUP or call the API to reload", zap.Error(err))
	} else {
		defer func() { _ = w.Close() }() // nothing is lost with it
		events, troubles = w.Events, w.Errors
	}
	r.watch(w)
	seen := r.conf.Load().digest
	settled := time.NewTimer(settle) // the file may have changed since it was read
	defer settled.Stop()
	var first time.Time // event since the last look
	for {
		why := whyFile
		select {
		case <-ctx.Done():
			return nil
		case <-events:
			if first.IsZero() {
				first = time.Now()
			}
			settled.Reset(max(0, min(settle, time.Until(first.Add(settleMost)))))
			continue
		case err := <-troubles:
			r.log.Warn("changes of the file may be missed", zap.Error(err))
			settled.Reset(settle)
			continue
		case <-settled.C:
			first = time.Time{}
		case <-r.hup:
			why = whySignal
		}
		now := r.fingerprint()
		if why == whyFile && now == seen {
			continue
		}
		seen = now                 // as it was before it is read: what changes meanwhile is another change
		_, _ = r.try(ctx, why, "") // tells its own trouble
		r.watch(w)
	}
}

func (r *reloader) fingerprint() [sha256.Size]byte {
	cfg := r.conf.Load().config
	return cfg.Fingerprint(r.src.path)
}

// watch watches the folders of all files, where they are named and where links lead.
func (r *reloader) watch(w *fsnotify.Watcher) {
	if w == nil {
		return
	}
	cfg := r.conf.Load().config
	var folders []string
	for _, f := range cfg.Files(r.src.path) {
		folders = append(folders, filepath.Dir(f))
		if target, err := filepath.EvalSymlinks(f); err == nil {
			folders = append(folders, filepath.Dir(target))
		}
	}
	slices.Sort(folders)
	for _, dir := range slices.Compact(folders) {
		if err := w.Add(dir); err != nil {
			r.log.Warn("changes in a folder are not seen; send SIGHUP or call the API to reload", zap.Error(fmt.Errorf("watch %s: %w", dir, err)))
		}
	}
}
