package store

import (
	"context"

	"drawbridge/store/migrations"

	"github.com/pressly/goose/v3"
)

// Table is one table of the schema, as a backup has it.
type Table struct {
	Name string
	// order makes two exports of one state the same.
	order string
}

// Tables returns all tables with something to keep, one that others refer to before
// those. A test compares the list with the schema.
func Tables() []Table {
	return []Table{
		{"counters", "name"},
		{"changes", "seq"},
		{"sessions", "id"},
		{"robots", "name"},
		{"robot_secrets", "id"},
		{"keys", "kid"},
		{"policies", "number"},
		{"audit_events", "at, id"},
		{"break_glass", "number"},
	}
}

// provider applies the migrations.
func (s *Store) provider() (*goose.Provider, error) {
	options, err := s.dialect.options()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(s.dialect.goose, s.write, migrations.FS,
		append(options, goose.WithSlog(s.opts.Log.With("component", "store")))...)
}

// Schema returns the number of the database's schema, and the newest that this
// program knows.
func (s *Store) Schema(ctx context.Context) (current, newest int64, err error) {
	provider, err := s.provider()
	if err != nil {
		return 0, 0, err
	}
	if current, newest, err = provider.GetVersions(ctx); err != nil {
		return 0, 0, unavailable("read the store's schema", err)
	}
	return current, newest, nil
}

// Remote says that the database is a server, and not a file in data_dir.
func (s *Store) Remote() bool { return s.dialect.remote }

// NewestSchema returns the number of the newest schema that this program knows.
func NewestSchema() (newest int64, err error) {
	files, err := migrations.FS.ReadDir(".")
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		n, err := goose.NumericComponent(f.Name())
		if err != nil {
			return 0, err
		}
		newest = max(newest, n)
	}
	return newest, nil
}
