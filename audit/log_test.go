package audit_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"drawbridge/audit"

	"github.com/google/go-cmp/cmp"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestLogWritesOneJSONLineAnEvent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.New(audit.Options{File: file, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 100 {
				l.Record(audit.Event{Time: time.Unix(0, 0), Action: audit.Login, Outcome: audit.Failure, Personal: audit.Personal{User: "corp/a\nb"}})
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines, ids := 0, map[any]bool{}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); lines++ {
		var fields map[string]any
		if err := json.Unmarshal(s.Bytes(), &fields); err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		if fields["event.action"] != "login" || fields["user.name"] != "corp/a\nb" || fields["@timestamp"] == "" {
			t.Fatalf("got %v", fields)
		}
		if diff := cmp.Diff([]any{"authentication"}, fields["event.category"]); diff != "" {
			t.Fatal(diff)
		}
		ids[fields["event.id"]] = true
	}
	if len(ids) != 1000 {
		t.Errorf("%d different IDs", len(ids))
	}
	if lines != 1000 || l.Dropped()["file"] != 0 {
		t.Errorf("got %d lines, %d dropped", lines, l.Dropped()["file"])
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	l.Record(audit.Event{})
	if l.Dropped()["file"] != 1 {
		t.Error("an event after Close is not counted as dropped")
	}
}

// stuck is a sink that hangs until it is released, and then fails.
type stuck struct{ release chan struct{} }

func (s stuck) Write([]byte) (int, error) {
	<-s.release
	return 0, errors.New("no space left on device")
}

func TestLogNeverBlocksItsCaller(t *testing.T) {
	sink := stuck{make(chan struct{})}
	l, err := audit.New(audit.Options{File: "-", Stdout: sink, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	const events = 20_000 // more than any queue
	for range events {
		l.Record(audit.Event{Action: audit.Login})
	}
	if l.Dropped()["file"] == 0 {
		t.Error("nothing was dropped")
	}
	close(sink.release)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l.Dropped()["file"] != events {
		t.Errorf("a failing sink: %d of %d counted as dropped", l.Dropped()["file"], events)
	}
}

func TestOpenNamesTheFileItCannotOpen(t *testing.T) {
	if _, err := audit.New(audit.Options{File: filepath.Join(t.TempDir(), "no", "such", "dir"), Log: quiet()}); err == nil {
		t.Error("no error")
	}
}
