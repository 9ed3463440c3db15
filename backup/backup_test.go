package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"drawbridge/backup"
	"drawbridge/store"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
)

// world is a data_dir with a store, and a key to back it up for.
type world struct {
	dir string
	key *age.X25519Identity
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dir: t.TempDir(), key: key}
	for name, content := range map[string]string{
		"keys/ca.pem": "the CA", "keys/.lock": "", "keys/.tmp-1": "half", "keys/signing-ca.pem": "public", "tls/server.key": "tls",
		"htpasswd": "admin:x", "audit.log": "events", ".restored/x": "old",
	} {
		w.write(t, name, content, 0o600)
	}
	if err := os.Chmod(filepath.Join(w.dir, "keys", "signing-ca.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("htpasswd", filepath.Join(w.dir, "link")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// source reads what the world has. The store is made by it.
func (w *world) source(t *testing.T) backup.Source {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: w.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = snapshot.Close() })
	files, skipped, err := backup.ReadDataDir(w.dir, filepath.Join(w.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	return backup.Source{
		Manifest: backup.Manifest{Version: "v1", MadeAt: time.Unix(1, 0).UTC(), Schema: snapshot.Schema(), Store: backup.SQLite, Skipped: skipped},
		Files:    files, Rows: snapshot,
	}
}

// pack writes the archive of a source.
func (w *world) pack(t *testing.T, src backup.Source) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := backup.Write(t.Context(), &out, src, w.key.Recipient()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// restore restores into a directory.
func (w *world) restore(t *testing.T, archive []byte, dir string) error {
	t.Helper()
	_, _, err := backup.Restore(t.Context(), bytes.NewReader(archive), backup.Target{DataDir: dir}, w.key)
	return err
}

// names returns what is in a directory, with the modes.
func names(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			info, infoErr := e.Info()
			rel, relErr := filepath.Rel(dir, path)
			found[rel], err = info.Mode().String(), errors.Join(infoErr, relErr)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// untouched fails the test unless nothing is in the directory.
func untouched(t *testing.T, dir string) {
	t.Helper()
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("it left %v", got)
	}
	if err := backup.Interrupted(dir); err != nil {
		t.Error(err)
	}
}

func TestRoundTrip(t *testing.T) {
	w := newWorld(t)
	src := w.source(t)
	archive := w.pack(t, src)
	if bytes.Contains(archive, []byte("the CA")) {
		t.Error("the CA is in it in the clear")
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := w.restore(t, archive, dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"drawbridge.db": "-rw-------", "htpasswd": "-rw-------", "keys/ca.pem": "-rw-------", "keys/signing-ca.pem": "-rw-r--r--", "tls/server.key": "-rw-------",
	}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Error(diff)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "keys", "ca.pem")); err != nil || string(content) != "the CA" {
		t.Errorf("%q, %v", content, err)
	}
	if len(src.Manifest.Skipped) != 2 {
		t.Errorf("skipped %q; the audit log and the link are to be named", src.Manifest.Skipped)
	}
	err := w.restore(t, archive, dir)
	if err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("into a data_dir that is in use: %v", err)
	}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("a refused restore changed it:\n%s", diff)
	}
}

// Every byte counts: a file that is changed or cut off anywhere is refused, and leaves
// nothing.
func TestTamperedAndTruncated(t *testing.T) {
	w := newWorld(t)
	archive := w.pack(t, w.source(t))
	dir := t.TempDir()
	step := len(archive)/40 + 1
	for at := 0; at < len(archive); at += step {
		changed := bytes.Clone(archive)
		changed[at] ^= 1
		if err := w.restore(t, changed, dir); err == nil {
			t.Errorf("changed at byte %d of %d, it was restored", at, len(archive))
		}
		if err := w.restore(t, archive[:at], dir); err == nil {
			t.Errorf("cut off at byte %d of %d, it was restored", at, len(archive))
		}
	}
	for _, odd := range [][]byte{archive[:len(archive)-1], append(bytes.Clone(archive), 'x')} {
		if err := w.restore(t, odd, dir); err == nil {
			t.Errorf("%d bytes of %d were restored", len(odd), len(archive))
		}
	}
	untouched(t, dir)
}

func TestWrongKey(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	dir := t.TempDir()
	err := other.restore(t, w.pack(t, w.source(t)), dir)
	if err == nil || !strings.Contains(err.Error(), "does not open this file") {
		t.Errorf("got %v", err)
	}
	untouched(t, dir)
}

// What a person of bad will could put into an archive for a public key.
func TestCraftedArchives(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*backup.Source){
		"out of data_dir":   func(s *backup.Source) { s.Files[0].Name = "data/../../evil" },
		"an absolute path":  func(s *backup.Source) { s.Files[0].Name = "/etc/evil" },
		"the database":      func(s *backup.Source) { s.Files[0].Name = "data/drawbridge.db" },
		"its log":           func(s *backup.Source) { s.Files[0].Name = "data/drawbridge.db-wal" },
		"our own folder":    func(s *backup.Source) { s.Files[0].Name = "data/.restore/moves.json" },
		"a second manifest": func(s *backup.Source) { s.Files[0].Name = "manifest.json" },
		"an early end":      func(s *backup.Source) { s.Files[0] = backup.File{Name: "contents.json", Content: []byte("{}")} },
		"one name twice":    func(s *backup.Source) { s.Files[0].Name = s.Files[1].Name },
		"an unknown table": func(s *backup.Source) {
			s.Files[0] = backup.File{Name: "store/goose_db_version/1.jsonl", Content: []byte(`["id"]`)}
		},
		"no rows": func(s *backup.Source) { s.Files[0] = backup.File{Name: "store/robots/1.jsonl", Content: []byte(`{}`)} },
		"a short row": func(s *backup.Source) {
			s.Files[0] = backup.File{Name: "store/robots/1.jsonl", Content: []byte(`["a","b"]["c"]`)}
		},
		"a newer schema": func(s *backup.Source) { s.Manifest.Schema = 1000 },
		"no schema":      func(s *backup.Source) { s.Manifest.Schema = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			src, dir := w.source(t), filepath.Join(t.TempDir(), "data")
			change(&src)
			if err := w.restore(t, w.pack(t, src), dir); err == nil {
				t.Error("it was restored")
			}
			untouched(t, filepath.Dir(dir))
		})
	}
}

// An archive that is none, for our key.
func TestForeignFile(t *testing.T) {
	w := newWorld(t)
	var out bytes.Buffer
	sealed, err := age.Encrypt(&out, w.key.Recipient())
	if err == nil {
		_, err = io.WriteString(sealed, "holiday pictures")
	}
	if err = errors.Join(err, sealed.Close()); err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{out.Bytes(), []byte("PK\x03\x04"), nil} {
		dir := t.TempDir()
		if err := w.restore(t, content, dir); err == nil {
			t.Error("it was restored")
		}
		untouched(t, dir)
	}
}

// A disk that is full leaves no file, and no part of one.
func TestCreateOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "b")
	if _, err := backup.Create(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, syscall.ENOSPC)
	}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	untouched(t, dir)
	digest, err := backup.Create(path, func(w io.Writer) error { _, err := io.WriteString(w, "abc"); return err })
	if err != nil || digest != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Fatalf("%s, %v", digest, err)
	}
	if diff := cmp.Diff(map[string]string{"b": "-rw-------"}, names(t, dir)); diff != "" {
		t.Error(diff)
	}
	if _, err := backup.Create(path, func(io.Writer) error { return nil }); err == nil {
		t.Error("a file was replaced")
	}
}

// A restore that was killed in the middle of moving is begun anew, and what is not its
// own is never touched.
func TestAfterAnInterruption(t *testing.T) {
	w := newWorld(t)
	archive := w.pack(t, w.source(t))
	half := func(t *testing.T) *world {
		t.Helper()
		other := &world{dir: t.TempDir(), key: w.key}
		other.write(t, ".restore/moves.json", `["keys","drawbridge.db","htpasswd"]`, 0o600)
		other.write(t, ".restore/data/htpasswd", "half", 0o600)
		other.write(t, "keys/ca.pem", "half", 0o600)
		other.write(t, "lost+found/x", "not ours", 0o600)
		if err := backup.Interrupted(other.dir); err == nil || !strings.Contains(err.Error(), "run `drawbridge restore` again") {
			t.Errorf("the directory may be used: %v", err)
		}
		return other
	}
	other := half(t)
	if err := w.restore(t, archive, other.dir); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(other.dir, "keys", "ca.pem")); err != nil || string(content) != "the CA" {
		t.Errorf("%q, %v", content, err)
	}
	if err := backup.Interrupted(other.dir); err != nil {
		t.Error(err)
	}

	other = half(t)
	other.write(t, "precious", "x", 0o600)
	before := names(t, other.dir)
	if err := w.restore(t, archive, other.dir); err == nil || !strings.Contains(err.Error(), "it has precious") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, names(t, other.dir)); diff != "" {
		t.Error(diff)
	}

	other = &world{dir: t.TempDir()}
	other.write(t, ".restore/moves.json", `["../x"]`, 0o600)
	if err := w.restore(t, archive, other.dir); err == nil {
		t.Error("a list that leads out of data_dir was followed")
	}
}

// Two restores at once do not mix.
func TestTwoRestores(t *testing.T) {
	w := newWorld(t)
	archive := w.pack(t, w.source(t))
	for name, dir := range map[string]string{"empty": t.TempDir(), "not there": filepath.Join(t.TempDir(), "parent", "data")} {
		results := make(chan error, 2)
		for range 2 {
			go func() {
				_, _, err := backup.Restore(context.Background(), bytes.NewReader(archive), backup.Target{DataDir: dir}, w.key)
				results <- err
			}()
		}
		if first, second := <-results, <-results; (first == nil) == (second == nil) {
			t.Errorf("%s: not one of two: %v, %v", name, first, second)
		}
		if _, err := os.Stat(filepath.Join(dir, store.SQLiteName)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if beside, err := os.ReadDir(filepath.Dir(dir)); err != nil || name == "not there" && len(beside) != 1 {
			t.Errorf("%s: beside it is %v, %v", name, beside, err)
		}
	}
}

func TestPassphrase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "phrase")
	for _, tc := range []struct {
		content string
		mode    os.FileMode
		want    string
	}{
		{"sixteen letters!\n", 0o640, ""},
		{"sixteen letters!", 0o604, "chmod 600"},
		{"fifteen letters\n", 0o600, "fewer than 16"},
	} {
		if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, tc.mode); err != nil {
			t.Fatal(err)
		}
		phrase, err := backup.Passphrase(file)
		if tc.want == "" && (err != nil || phrase != "sixteen letters!") || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%q: %q, %v", tc.content, phrase, err)
		}
	}
	to, err := backup.ForPassphrase("sixteen letters!")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	var out bytes.Buffer
	if _, err := backup.Write(t.Context(), &out, w.source(t), to); err != nil {
		t.Fatal(err)
	}
	for phrase, opens := range map[string]bool{"sixteen letters!": true, "sixteen letters?": false} {
		with, err := backup.ByPassphrase(phrase)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = backup.Verify(bytes.NewReader(out.Bytes()), with); (err == nil) != opens {
			t.Errorf("%s: %v", phrase, err)
		}
	}
}
