package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/conformance"
)

func openSQLite(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: dir}) // the test's own context ends before its clean-up
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Open {
		dir := t.TempDir()
		return func(t *testing.T) *store.Store { return openSQLite(t, dir) }
	})
}

func TestSQLiteFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a dir?with#odd%20name")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := openSQLite(t, dir).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(t.TempDir(), "missing")}); err == nil {
		t.Error("a missing directory was opened")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, store.SQLiteName), []byte("this is no database, but it is long enough to be taken for one at first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Options{Dir: dir}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a file that is no database: %v", err)
	}
	if _, err := store.Open(t.Context(), store.Options{URL: identity.NewSecret("postgres://u:hunter2@%zz/x")}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
