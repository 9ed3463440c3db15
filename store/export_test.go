package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"drawbridge/store"

	"github.com/google/go-cmp/cmp"
)

// rawSQLite opens the database of a directory beside the store.
func rawSQLite(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, store.SQLiteName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// A table that a migration adds has to be in a backup.
func TestTablesAreTheSchema(t *testing.T) {
	dir := t.TempDir()
	openSQLite(t, dir)
	rows, err := rawSQLite(t, dir).QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var there, listed []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		there = append(there, name)
	}
	for _, table := range store.Tables() {
		listed = append(listed, table.Name)
	}
	slices.Sort(there)
	slices.Sort(listed)
	if diff := cmp.Diff(there, listed); diff != "" {
		t.Errorf("Tables is not what the schema has (-schema +Tables):\n%s", diff)
	}
}

// everything returns all rows of a snapshot as text.
func everything(t *testing.T, s *store.Store) (all []string) {
	t.Helper()
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snapshot.Close() }()
	for _, table := range store.Tables() {
		if err := snapshot.Each(t.Context(), table, func(columns []string, values []any) error {
			all = append(all, fmt.Sprintf("%s %q %#v", table.Name, columns, values))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// fill puts two rows into every table, with what text and numbers may hold.
func fill(t *testing.T, dir string) {
	t.Helper()
	db := rawSQLite(t, dir)
	for _, statement := range []string{
		`UPDATE counters SET value = 9007199254740993`,
		`INSERT INTO changes VALUES (1, 'k', 'v"' || char(10) || '<é💻>', 1, '', '', 9223372036854775807), (2, 'k', '', -1, '', '', 0)`,
		`INSERT INTO sessions (id, token_hash, current_hash, previous_hash, rotated_at, rotating, subject, person, service, client_id, method, created_at,
			last_used_at, expires_at, address, user_agent, last_address, last_client_id, credential_version, revoked_at, revoked_reason, revoked_by)
			VALUES ('1','a','','',0,0,'','{}','','','',0,0,0,'','','','','',0,'',''), ('2','b','','',0,0,'','{}','','','',0,0,0,'','','','','',5,'x','y')`,
		`INSERT INTO robots VALUES ('a','','','[]',0,'',0,0,1), ('b','','','[]',0,'',0,1,2)`,
		`INSERT INTO robot_secrets VALUES ('1','a','h1',1,0,0,0,''), ('2','b','h2',1,0,0,0,'')`,
		`INSERT INTO keys VALUES ('1','','ES256','','','signing',0,0,0,0,'[]',1), ('2','','ES256','','','retired',0,0,0,7,'[]',3)`,
		`INSERT INTO policies VALUES (1,'bindings: []','','',0,0), (2,'','','',0,1)`,
		`INSERT INTO audit_events VALUES (1,'1','','','','','','','','','','{}'), (1,'2','','','','','','','','','','{}')`,
		`INSERT INTO break_glass VALUES (1,'1','',0,0,'','',0,''), (2,'2','',0,0,'','',0,'')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// copyInto imports one store into another as a backup does.
func copyInto(ctx context.Context, from *store.Store, opts store.Options) error {
	snapshot, err := from.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snapshot.Close() }()
	to, err := store.BeginImport(ctx, opts, snapshot.Schema())
	if err != nil {
		return err
	}
	for _, table := range store.Tables() {
		if err := snapshot.Each(ctx, table, func(columns []string, values []any) error {
			return to.Insert(ctx, table.Name, columns, [][]any{values})
		}); err != nil {
			return errors.Join(err, to.Close())
		}
	}
	return errors.Join(to.Commit(ctx), to.Close())
}

func TestImportIsTheSame(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	s := openSQLite(t, from)
	fill(t, from)
	if err := copyInto(t.Context(), s, store.Options{Dir: to}); err != nil {
		t.Fatal(err)
	}
	want := everything(t, s)
	if len(want) != 1+2*8 {
		t.Errorf("%d rows", len(want))
	}
	if diff := cmp.Diff(want, everything(t, openSQLite(t, to))); diff != "" {
		t.Error(diff)
	}
	if err := copyInto(t.Context(), s, store.Options{Dir: to}); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("into a store that is in use: %v", err)
	}
}

// A snapshot is of one moment, whatever is written meanwhile.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	dir := t.TempDir()
	s := openSQLite(t, dir)
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snapshot.Close() }()
	fill(t, dir)
	for _, table := range store.Tables() {
		if err := snapshot.Each(t.Context(), table, func(_ []string, values []any) error {
			if table.Name == "counters" && values[1] == int64(0) {
				return nil
			}
			return fmt.Errorf("%s has %v", table.Name, values)
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	ctx := t.Context()
	newest, err := store.NewestSchema()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.BeginImport(ctx, store.Options{Dir: t.TempDir()}, newest+1); err == nil {
		t.Error("a newer schema was taken")
	}
	i, err := store.BeginImport(ctx, store.Options{Dir: t.TempDir()}, newest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = i.Close() }()
	for _, columns := range [][]string{{"name"}, {"name", "value", "value"}, {"name", "value) VALUES ('x', 1); DROP TABLE robots; --"}} {
		if err := i.Insert(ctx, "counters", columns, [][]any{{"x", int64(1), int64(1)}}); err == nil {
			t.Errorf("the columns %q were taken", columns)
		}
	}
	if err := i.Insert(ctx, "goose_db_version", []string{"id"}, nil); err == nil {
		t.Error("a table that is none of ours was taken")
	}
}

// A backup of an older schema is restored as that, and then migrated.
func TestImportMigrates(t *testing.T) {
	dir := t.TempDir()
	i, err := store.BeginImport(t.Context(), store.Options{Dir: dir}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Insert(t.Context(), "counters", []string{"value", "name"}, [][]any{{int64(7), "changes"}}); err != nil {
		t.Fatal(err)
	}
	if err := i.Insert(t.Context(), "policies", []string{"number"}, nil); err == nil {
		t.Error("a table that the schema does not have was taken")
	}
	if err := errors.Join(i.Commit(t.Context()), i.Close()); err != nil {
		t.Fatal(err)
	}
	s := openSQLite(t, dir)
	current, newest, err := s.Schema(t.Context())
	if err != nil || current != newest {
		t.Errorf("schema %d of %d, %v", current, newest, err)
	}
	if _, seq, err := s.ChangesSince(t.Context(), 0, 1); err != nil || seq != 7 {
		t.Errorf("the counter is at %d, %v", seq, err)
	}
}

// What was not committed was never there.
func TestImportIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	newest, err := store.NewestSchema()
	if err != nil {
		t.Fatal(err)
	}
	i, err := store.BeginImport(t.Context(), store.Options{Dir: dir}, newest)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(i.Insert(t.Context(), "policies", []string{"number", "text", "author", "reason", "at", "rollback_of"},
		[][]any{{int64(1), "", "", "", int64(0), int64(0)}}), i.Close()); err != nil {
		t.Fatal(err)
	}
	if rows := everything(t, openSQLite(t, dir)); len(rows) != 1 {
		t.Errorf("there is %v", rows)
	}
}
