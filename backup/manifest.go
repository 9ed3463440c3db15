package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// format is the form of the archive. A reader refuses higher ones.
const format = 1

// The entries that are not content.
const (
	manifestName = "manifest.json"
	contentsName = "contents.json"
)

// The folders of the archive.
const (
	dataPrefix     = "data/"
	externalPrefix = "external"
	storePrefix    = "store/"
)

// Manifest says what a backup is.
type Manifest struct {
	Format int `json:"format"`
	// Version is that of the program that made it.
	Version string    `json:"version"`
	MadeAt  time.Time `json:"made_at"`
	// Schema is the number of the store's schema, and Store the kind of database
	// that it came from.
	Schema int64  `json:"schema"`
	Store  string `json:"store"`
	// External are the files outside of data_dir that the configuration names.
	External []External `json:"external"`
	// Skipped are files of data_dir that are not in it, with the reason.
	Skipped []string `json:"skipped,omitempty"`
}

// The kinds of database.
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgresql"
)

// External is a file outside of data_dir that the configuration needs.
type External struct {
	// Key is the setting that names it, and Path where it was.
	Key  string `json:"key"`
	Path string `json:"path"`
	// Included says whether the backup has its content.
	Included bool `json:"included"`
}

// Entry is a file in the archive.
type Entry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Contents is the list of the entries, and how many rows each table has.
type Contents struct {
	Entries []Entry          `json:"entries"`
	Rows    map[string]int64 `json:"rows"`
}

// parseManifest refuses what a later version wrote.
func parseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read the manifest: %w", err)
	}
	switch {
	case m.Format > format:
		return m, fmt.Errorf("the backup was made by version %s in a form (%d) that this program does not know: use that version or a later one", m.Version, m.Format)
	case m.Format < 1 || m.MadeAt.IsZero() || m.Schema < 1:
		return m, errors.New("the manifest is not complete: this is no backup of Drawbridge")
	}
	return m, nil
}
