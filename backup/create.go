package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// Create makes a file of which nobody ever sees a part, readable by its owner alone,
// and returns the SHA-256 of what fill wrote. It replaces nothing.
func Create(path string, fill func(w io.Writer) error) (digest string, err error) {
	dir := filepath.Dir(path)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return "", errors.Join(fmt.Errorf("%s is there already: name a file that is not", path), err)
	}
	f, err := os.CreateTemp(dir, ".tmp-backup-*") // 0600 from the start
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // after the rename there is none
	hash := sha256.New()
	err = fill(io.MultiWriter(f, hash))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), syncDir(dir)
}

// ExtractExternal checks the whole archive and then writes the files that were outside
// of data_dir below a folder that is not there yet.
func ExtractExternal(archive io.ReadSeeker, dir string, identities ...age.Identity) (m Manifest, c Contents, err error) {
	if m, c, err = Verify(archive, identities...); err != nil {
		return m, c, err
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return m, c, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return m, c, err
	}
	_, _, err = read(archive, identities, func(_ Manifest, f File) error {
		name, ok := strings.CutPrefix(f.Name, externalPrefix+"/")
		if !ok {
			return nil
		}
		return writeNew(filepath.Join(dir, filepath.FromSlash(name)), f)
	})
	return m, c, err
}
