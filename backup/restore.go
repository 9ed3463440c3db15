package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"drawbridge/store"

	"filippo.io/age"
)

// Target is where a backup is restored.
type Target struct {
	// DataDir is the data directory, which is empty or missing.
	DataDir string
	// Store is the database, which is empty. Without a URL it is made in DataDir.
	Store store.Options
}

// Restore checks the whole archive and then fills the target: all of it, or nothing.
func Restore(ctx context.Context, archive io.ReadSeeker, to Target, identities ...age.Identity) (m Manifest, c Contents, err error) {
	if m, c, err = Verify(archive, identities...); err != nil {
		return m, c, err
	}
	newest, err := store.NewestSchema()
	if err != nil {
		return m, c, err
	}
	if m.Schema > newest {
		return m, c, fmt.Errorf("the backup was made by version %s, whose store (schema %d) is newer than this program's (schema %d): "+
			"restore it with that version or a later one", m.Version, m.Schema, newest)
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return m, c, err
	}
	release, err := claim(to.DataDir)
	if err != nil {
		return m, c, err
	}
	defer release()
	r := &restore{target: to, stage: filepath.Join(to.DataDir, Marker, stageFolder)}
	if err := r.run(ctx, archive, m, identities); err != nil {
		return m, c, errors.Join(err, sweep(to.DataDir), os.RemoveAll(filepath.Join(to.DataDir, Marker)))
	}
	return m, c, nil
}

// restore is one that runs.
type restore struct {
	target Target
	stage  string
	store  *store.Import
}

func (r *restore) run(ctx context.Context, archive io.Reader, m Manifest, identities []age.Identity) (err error) {
	if err := os.Mkdir(r.stage, 0o700); err != nil {
		return err
	}
	opts := r.target.Store
	opts.Dir = r.stage
	if r.store, err = store.BeginImport(ctx, opts, m.Schema); err != nil {
		if errors.Is(err, store.ErrNotEmpty) {
			err = fmt.Errorf("store.url: %w. A restore never writes over a server's state: make a new, empty database and name it in store.url", err)
		}
		return err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, r.store.Close())
		}
	}()
	if _, _, err := read(archive, identities, func(_ Manifest, f File) error { return r.put(ctx, f) }); err != nil {
		return err
	}
	// A database server commits last: it is what cannot be taken back. A file has to
	// be closed before it is moved.
	commit := func() error { return r.store.Commit(ctx) }
	steps := []func() error{commit, func() error { closed = true; return r.store.Close() }, r.move}
	if !opts.URL.Empty() {
		steps = []func() error{r.move, commit}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return r.finish()
}

// put takes one entry over.
func (r *restore) put(ctx context.Context, f File) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if table, ok := tableOf(f.Name); ok {
		columns, rows, err := parseRows(f.Content)
		if err != nil {
			return err
		}
		return r.store.Insert(ctx, table, columns, rows)
	}
	if name, ok := strings.CutPrefix(f.Name, dataPrefix); ok {
		return writeNew(filepath.Join(r.stage, filepath.FromSlash(name)), f)
	}
	return nil // a file that is elsewhere
}

// writeNew makes a file that is not there yet, durably.
func writeNew(path string, f File) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // #nosec G301 -- registries mount keys/signing-ca.pem
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // #nosec G304 -- below the folder, as check saw to
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(f.Content); err != nil {
		return err
	}
	// What no one but the owner may change had better stay so.
	if err := file.Chmod(os.FileMode(f.Mode) &^ 0o022); err != nil { // #nosec G115 -- nine bits
		return err
	}
	return file.Sync()
}
