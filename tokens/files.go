package tokens

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	modePrivate = 0o600
	modePublic  = 0o644
	modeDir     = 0o755 // registries mount the public files from here

	tempPrefix = ".tmp-"
	lockName   = ".lock"

	lockPatience = 30 * time.Second
	lockPoll     = 20 * time.Millisecond
)

// writeFile replaces a file so that a reader, also one after a power cut or
// kill -9, finds the old content or the new, never a part: temporary file in
// the same directory, fsync, rename, fsync of the directory.
func writeFile(path string, content []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempPrefix+"*") // 0600 from the start
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = keepOwner(f, dir)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the operator's own key directory
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// renameSynced puts one of our files in another's place, durably.
func renameSynced(dir, from, to string) error {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		return err
	}
	return syncDir(dir)
}

// keepOwner gives a file that root writes to the owner of its directory: a command
// that an administrator runs must not lock the server out of its own keys.
func keepOwner(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// exportFile writes a public file unless it already has that content, so that a
// restart does not touch what a registry has mounted.
func exportFile(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) { // #nosec G304
		return nil
	}
	return writeFile(path, content, modePublic)
}

// readPrivate reads one of our own key files and refuses one that everybody on
// the host could read or write: its key must be taken as known. A group may,
// since Kubernetes gives volumes to a group.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s holds a private key and has mode %04o, open to every user of the host: "+
			"delete it so that a new key is made, or run chmod 600 if nobody else was on the host", path, info.Mode().Perm())
	}
	return os.ReadFile(path) // #nosec G304
}

// sweep removes what a killed writer left behind. The caller holds the lock, so
// no other process is writing.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), tempPrefix) {
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// lockDir serializes the processes that share a key directory. It is flock(2),
// which the kernel releases when the holder dies, so a kill -9 leaves no stale
// lock; the file itself stays. Waiting ends with ctx or after lockPatience.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, modePrivate) // #nosec G304
	if err != nil {
		return nil, fmt.Errorf("open the lock of the key directory: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // #nosec G115 -- descriptors are small
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		select {
		case <-poll.C:
			continue
		case <-ctx.Done():
			err = fmt.Errorf("another process holds it: %w", ctx.Err())
		}
		break
	}
	_ = f.Close()
	return nil, fmt.Errorf("lock %s: %w", path, err)
}
