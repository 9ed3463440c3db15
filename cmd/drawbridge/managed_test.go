package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/configs"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
)

// manage opens what a command manages, in a data directory.
func manageWith(t *testing.T, dir string) (*managed, error) {
	t.Helper()
	t.Setenv("DRAWBRIDGE_DATA_DIR", dir)
	cmd := newRoot()
	cmd.SetErr(io.Discard)
	cmd.SetContext(t.Context())
	return openManaged(cmd)
}

func TestManagedOpensTheServersStore(t *testing.T) {
	dir := t.TempDir()
	m, err := manageWith(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	if err := m.store.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if name, ok := strings.CutPrefix(m.actor, "cli:"); !ok || name == "" || m.clock().IsZero() {
		t.Errorf("actor %q at %s", m.actor, m.clock())
	}
	again, err := manageWith(t, dir) // a server holds it open as well
	if err != nil {
		t.Fatal(err)
	}
	again.close()
}

// A relay that cannot be opened is not taken for none.
func TestManagedWithoutTheServersSecret(t *testing.T) {
	m := &managed{cfg: &configs.Config{DataDir: filepath.Join(t.TempDir(), "elsewhere")}}
	if m.relay(nil) != nil {
		t.Error("SQLite has a relay")
	}
	m.cfg.Store.URL, m.cfg.Cache.RedisURL = identity.NewSecret("postgres://x"), identity.NewSecret("redis://127.0.0.1:1")
	if err := m.relay(nil).Publish(t.Context(), feed.Change{Seq: 1}); err == nil {
		t.Error("published to nowhere")
	}
}

func TestManagedRefuses(t *testing.T) {
	if _, err := manageWith(t, filepath.Join(t.TempDir(), "elsewhere")); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a data_dir that is not there: %v", err)
	}
	t.Setenv("DRAWBRIDGE_STORE_URL", "postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable")
	_, err := manageWith(t, t.TempDir())
	if !errors.Is(err, store.ErrUnavailable) || exitCode(err, io.Discard) != 2 {
		t.Errorf("a server that does not answer: %v", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is in %v", err)
	}
}
