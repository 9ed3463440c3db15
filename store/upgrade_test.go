package store_test

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"regexp"
	"testing"

	"drawbridge/store"
	"drawbridge/store/migrations"

	"github.com/pressly/goose/v3"
)

// schemaAt makes a store as a program had it whose last migration was that one.
func schemaAt(t *testing.T, dir string, version int64) {
	t.Helper()
	provider, db := migrate(t, dir)
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO changes (seq, kind, value, at, actor, reason, expires_at)
		VALUES (1, 'revoke', 'kept', 1, 'test', '', 0)`); err != nil {
		t.Fatal(err)
	}
}

func migrate(t *testing.T, dir string) (*goose.Provider, *sql.DB) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.SQLiteName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	return provider, db
}

// docs/upgrading.md: a store of any earlier schema is brought up to date at the start, and
// what was in it stays.
func TestEveryOldSchemaIsMigrated(t *testing.T) {
	provider, _ := migrate(t, t.TempDir())
	sources := provider.ListSources()
	for _, source := range sources {
		dir := t.TempDir()
		schemaAt(t, dir, source.Version)
		if err := openSQLite(t, dir).Ready(t.Context()); err != nil {
			t.Errorf("from schema %d: %v", source.Version, err)
		}
		now, db := migrate(t, dir)
		if version, err := now.GetDBVersion(t.Context()); err != nil || version != sources[len(sources)-1].Version {
			t.Errorf("from schema %d: now it is %d: %v", source.Version, version, err)
		}
		var value string
		if err := db.QueryRowContext(t.Context(), `SELECT value FROM changes WHERE seq = 1`).Scan(&value); err != nil || value != "kept" {
			t.Errorf("from schema %d: what was in it is %q: %v", source.Version, value, err)
		}
	}
}

// docs/upgrading.md: the program before goes on with the schema of the one after it, as it
// has to in a rollout and after a rollback.
func TestANewerSchemaIsOpened(t *testing.T) {
	dir := t.TempDir()
	if err := openSQLite(t, dir).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, db := migrate(t, dir)
	for _, statement := range []string{
		`CREATE TABLE of_the_next_release (name TEXT PRIMARY KEY)`,
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := openSQLite(t, dir).Ready(t.Context()); err != nil {
		t.Errorf("a newer schema: %v", err)
	}
}

// That holds as long as migrations only add: a program that does not know a table or a
// column goes on without it.
func TestMigrationsOnlyAdd(t *testing.T) {
	takes := regexp.MustCompile(`(?i)\b(DROP|RENAME|TRUNCATE|DELETE\s+FROM)\b|ALTER\s+COLUMN|ADD\s+COLUMN[^,;]*NOT\s+NULL[^,;]*`)
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range takes.FindAllString(string(text), -1) {
			if regexp.MustCompile(`(?i)\bDEFAULT\b`).MatchString(found) {
				continue
			}
			t.Errorf("%s: %s: the release before could not go on with this schema; do it a release later", name, found)
		}
	}
}
