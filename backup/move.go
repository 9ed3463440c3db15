package backup

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// move puts what was staged into data_dir. A file beside says what is moved before
// the first is, so that whoever finds the folder knows what is half of something.
func (r *restore) move() error {
	if err := r.giveToOwner(); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.stage)
	if err != nil {
		return err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	list, err := json.Marshal(names)
	if err != nil {
		return err
	}
	folder := filepath.Join(r.target.DataDir, Marker)
	if err := writeNew(filepath.Join(folder, movesName), File{Mode: 0o600, Content: list}); err != nil {
		return err
	}
	if err := syncDir(folder); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(r.stage, name), filepath.Join(r.target.DataDir, name)); err != nil {
			return err
		}
	}
	return syncDir(r.target.DataDir)
}

// finish removes the folder, in one step: from here on, all of it is there.
func (r *restore) finish() error {
	done := filepath.Join(r.target.DataDir, Marker+"d")
	if err := os.Rename(filepath.Join(r.target.DataDir, Marker), done); err != nil {
		return err
	}
	return errors.Join(syncDir(r.target.DataDir), os.RemoveAll(done))
}

// giveToOwner gives what root has written to the owner of data_dir: the server, which
// may run as somebody else, has to read it.
func (r *restore) giveToOwner() error {
	info, err := os.Stat(r.target.DataDir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	root, err := os.OpenRoot(r.stage)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only read
	return fs.WalkDir(root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && ok && os.Geteuid() == 0 {
			err = root.Lchown(path, int(owner.Uid), int(owner.Gid))
		}
		if err == nil && e.IsDir() {
			err = syncDir(filepath.Join(r.stage, path))
		}
		return err
	})
}

// syncDir makes what was done in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- ours
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
