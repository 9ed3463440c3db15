package configs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// WatchInterval is how often a server looks: a change has to hold still for one
// interval, so it is in force within a second.
const WatchInterval = 400 * time.Millisecond

// Watcher remembers what a set of files looked like. Make it before the files
// are read: then a change between the reading and Run is not lost.
//
// It polls. The kernel's notifications (inotify) name a directory entry, not
// what a path leads to: they miss the swap of the ..data link by which
// Kubernetes replaces a mounted secret unless every folder on the way is watched,
// they end silently when an editor renames a new file over the old one, and they
// do not come at all for a change that another machine makes on NFS. A few stat
// calls a second see all of these and cost nothing.
//
// A change is reported once it has held still for one interval, so that a file
// which is being written is not read half done. A file whose state cannot be
// told (a stale NFS handle, a server that does not answer) counts as unchanged
// until it can.
type Watcher struct {
	files []watchedFile
}

type watchedFile struct {
	path string
	now  fs.FileInfo // nil: it is not there
}

// NewWatcher takes note of what the files look like now. They need not exist;
// links are followed.
func NewWatcher(paths []string) *Watcher {
	w := &Watcher{files: make([]watchedFile, len(paths))}
	for i, path := range paths {
		w.files[i].path = path
	}
	w.look()
	return w
}

// Run calls changed after each change, until ctx ends.
func (w *Watcher) Run(ctx context.Context, interval time.Duration, changed func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	pending := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch {
		case w.look():
			pending = true
		case pending:
			pending = false
			changed()
		}
	}
}

// look updates what is known and reports whether any file differs from before.
func (w *Watcher) look() bool {
	differs := false
	for i := range w.files {
		f := &w.files[i]
		info, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			info = nil
		case err != nil:
			continue
		}
		if !sameFile(f.now, info) {
			f.now, differs = info, true
		}
	}
	return differs
}

// sameFile compares device and inode, size and time of the last write. The
// inode tells a replaced file from the old one even if a tool kept its times.
func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
