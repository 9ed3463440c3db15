package backup

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Marker is the folder in data_dir in which a restore works. It is there from before
// the first file until after the last.
const Marker = ".restore"

const (
	lockName    = "lock"       // in the folder: flock(2) of the restore that runs
	movesName   = "moves.json" // in the folder: the names that it moves to data_dir
	stageFolder = "data"       // in the folder: what becomes data_dir
	lostFound   = "lost+found" // what an empty file system has
)

// Interrupted returns an error where a restore into the data directory was killed,
// or runs. Nothing may use what is there.
func Interrupted(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, Marker)); err != nil {
		return nil //nolint:nilerr // there is none
	}
	return fmt.Errorf("a restore into data_dir %s is running or was interrupted, so that what is there is not whole: "+
		"run `drawbridge restore` again, which begins anew", dir)
}

// claim makes the folder in an empty data_dir, after removing what a killed restore
// left. release ends the claim, and the folder stays.
func claim(dir string) (release func(), err error) {
	if err := makeMarked(dir); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := empty(dir); err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, Marker)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, lockName), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- ours
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	release = func() { _ = lock.Close() }
	// Another one may have ended since: then the folder is not the one that we hold,
	// or what it restored is there.
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // #nosec G115 -- descriptors are small
	if err != nil || !stillThere(lock) {
		release()
		return nil, fmt.Errorf("another restore into data_dir %s is running", dir)
	}
	if err = empty(dir); err == nil {
		err = sweep(dir)
	} else if ours, _ := moved(dir); len(ours) == 0 {
		err = errors.Join(err, os.RemoveAll(folder)) // else it tells of an interrupted one
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// makeMarked makes a directory that is not there, with the folder in it from its first
// moment: killed in between, a restore would leave one that any command takes into use.
func makeMarked(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made := filepath.Clean(dir) + Marker + "-" + rand.Text()
	if err := os.MkdirAll(made, 0o755); err != nil { // #nosec G301 -- registries mount keys/signing-ca.pem
		return err
	}
	err := os.Mkdir(filepath.Join(made, Marker), 0o700)
	if err == nil {
		err = os.Rename(made, dir)
	}
	if err == nil {
		return nil
	}
	if _, there := os.Lstat(dir); there == nil {
		err = nil // another one was faster
	}
	return errors.Join(err, os.RemoveAll(made))
}

// moved returns the names in data_dir that a killed restore may have put there.
func moved(dir string) (names []string, err error) {
	content, err := os.ReadFile(filepath.Join(dir, Marker, movesName)) // #nosec G304 -- ours
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &names)
	}
	return names, err
}

// empty refuses a directory in which there is anything but what is ours.
func empty(dir string) error {
	ours, err := moved(dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); name != Marker && name != lostFound && !slices.Contains(ours, name) {
			return fmt.Errorf("data_dir %s is not empty: it has %s. A restore never writes over a server's state: "+
				"name an empty data_dir, or move what is there away", dir, name)
		}
	}
	return nil
}

// sweep removes what a killed restore has moved, and what it had not moved yet. The
// list goes last: until then it says what is ours.
func sweep(dir string) error {
	ours, err := moved(dir)
	if err != nil {
		return err
	}
	for _, name := range append(ours, filepath.Join(Marker, stageFolder), filepath.Join(Marker, movesName)) {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s names %q, which no restore puts there", filepath.Join(dir, Marker, movesName), name)
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// stillThere reports whether a file that is open still has its name.
func stillThere(f *os.File) bool {
	open, openErr := f.Stat()
	named, namedErr := os.Stat(f.Name())
	return openErr == nil && namedErr == nil && os.SameFile(open, named)
}
