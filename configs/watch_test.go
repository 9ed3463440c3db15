package configs

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched is a folder under a running Watch.
type watched struct {
	t       *testing.T
	dir     string
	changes chan struct{}
}

func (w watched) path(name string) string { return filepath.Join(w.dir, name) }

func (w watched) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w watched) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// wait fails the test if no change is reported.
func (w watched) wait() {
	w.t.Helper()
	select {
	case <-w.changes:
	case <-time.After(20 * time.Second):
		w.t.Fatal("the change was not seen")
	}
}

// run watches name while act runs, and then checks that Watch ends with its ctx.
func run(t *testing.T, prepare func(w watched), name string, act func(w watched)) {
	t.Helper()
	w := watched{t: t, dir: t.TempDir(), changes: make(chan struct{}, 100)}
	prepare(w)
	watcher := NewWatcher([]string{w.path("never-there"), w.path(name)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		watcher.Run(ctx, time.Millisecond, func() { w.changes <- struct{}{} })
	}()
	act(w)
	cancel()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Run did not end with its context")
	}
}

func TestWatcher(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(w watched)
		act     func(w watched)
	}{
		{"written in place", func(w watched) { w.write("f", "a") }, func(w watched) {
			w.write("f", "ab")
			w.wait()
		}},
		{"renamed over, with the same size and times", func(w watched) { w.write("f", "a") }, func(w watched) {
			old, err := os.Stat(w.path("f"))
			w.do(err)
			w.write("new", "b")
			w.do(os.Chtimes(w.path("new"), old.ModTime(), old.ModTime()))
			w.do(os.Rename(w.path("new"), w.path("f")))
			w.wait()
		}},
		{"only the time differs", func(w watched) { w.write("f", "a") }, func(w watched) {
			later := time.Now().Add(time.Hour)
			w.do(os.Chtimes(w.path("f"), later, later))
			w.wait()
		}},
		{"appears", func(watched) {}, func(w watched) {
			w.write("f", "a")
			w.wait()
		}},
		{"vanishes and comes back", func(w watched) { w.write("f", "a") }, func(w watched) {
			w.do(os.Rename(w.path("f"), w.path("aside")))
			w.wait()
			w.do(os.Rename(w.path("aside"), w.path("f")))
			w.wait()
		}},
		{"twice", func(w watched) { w.write("f", "a") }, func(w watched) {
			w.write("f", "ab")
			w.wait()
			w.write("f", "abc")
			w.wait()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { run(t, tt.prepare, "f", tt.act) })
	}
}

// TestWatchKubernetes swaps the link by which a kubelet replaces all files of a
// mounted secret at once: f -> ..data/f, ..data -> ..2026_01.
func TestWatchKubernetes(t *testing.T) {
	run(t, func(w watched) {
		w.do(os.Mkdir(w.path("..2026_01"), 0o700))
		w.do(os.Mkdir(w.path("..2026_02"), 0o700))
		w.write("..2026_01/f", "a")
		w.write("..2026_02/f", "b")
		w.do(os.Symlink("..2026_01", w.path("..data")))
		w.do(os.Symlink("..data/f", w.path("f")))
	}, "f", func(w watched) {
		w.do(os.Symlink("..2026_02", w.path("..data_tmp")))
		w.do(os.Rename(w.path("..data_tmp"), w.path("..data")))
		w.do(os.RemoveAll(w.path("..2026_01")))
		w.wait()
	})
}

// TestWatcherBeforeRun changes the file between NewWatcher and Run, where the
// caller reads it.
func TestWatcherBeforeRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	w := NewWatcher([]string{path})
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	seen := false
	w.Run(ctx, time.Millisecond, func() { seen = true; cancel() })
	if !seen {
		t.Error("the change was lost")
	}
}

// TestWatcherLook covers what must not count as a change.
func TestWatcherLook(t *testing.T) {
	dir := t.TempDir()
	file, loop := filepath.Join(dir, "f"), filepath.Join(dir, "loop")
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := NewWatcher([]string{file, loop})
	if w.look() {
		t.Error("nothing happened, and it counts as a change")
	}
	if _, err := os.ReadFile(file); err != nil || w.look() {
		t.Error("reading a file counts as a change")
	}
	// A path that leads nowhere for another reason than absence stands for a
	// file server that does not answer.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", file); err != nil {
		t.Fatal(err)
	}
	if w.look() {
		t.Error("a state that cannot be told counts as a change")
	}
}

func TestWatcherEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	NewWatcher(nil).Run(ctx, time.Hour, func() { t.Error("called") })
}
