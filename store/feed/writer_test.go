package feed_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/store/feed"
)

// AppendChanges makes a list a writer's store.
func (l *list) AppendChanges(_ context.Context, changes ...feed.Change) ([]feed.Change, error) {
	if l.down {
		return nil, errDown
	}
	values := make([]string, len(changes))
	for i, c := range changes {
		values[i] = c.Value
	}
	return l.add(values...), nil
}

func (w *world) writer(look func(context.Context) error) *feed.Writer {
	return feed.NewWriter(feed.WriterOptions{Store: w.store, Relay: feed.NewRelay(w.cache), Look: look, Log: slog.New(slog.DiscardHandler)})
}

func TestWriterTellsItsOwnProcessAtOnce(t *testing.T) {
	w := newWorld(t)
	r := w.replica(true)
	writer := w.writer(r.Look)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // who asked for it has left meanwhile
	for _, value := range []string{"a", "b"} {
		if err := writer.Append(ctx, feed.Change{Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Publish(ctx); err != nil {
		t.Error(err)
	}
	w.want(r, "a", "b")
	if string(w.cache.values["feed:head"]) != "2" {
		t.Errorf("the relay's head is %q", w.cache.values["feed:head"])
	}
	w.store.stop(true)
	if err := writer.Append(t.Context(), feed.Change{Value: "c"}); !errors.Is(err, errDown) {
		t.Errorf("the store is down: %v", err)
	}
}

// Without the relay nothing is said to be done before the followers can have read
// it in the store.
func TestWriterWithoutTheRelayWaitsForTheFollowers(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(w *world)
		done      bool
	}{
		"nothing happens":     {func(*world) {}, true},
		"the store fails":     {func(w *world) { w.store.stop(true) }, false},
		"the store goes back": {func(w *world) { w.store.mu.Lock(); w.store.changes = nil; w.store.mu.Unlock() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.cache.down = true
				began := time.Now()
				time.AfterFunc(300*time.Millisecond, func() { tt.meanwhile(w) })
				err := w.writer(nil).Append(t.Context(), feed.Change{Value: "a"})
				took := time.Since(began)
				if (err == nil) != tt.done || took < 500*time.Millisecond {
					t.Errorf("after %s: %v", took, err)
				}
				w.writer(nil).Announce(t.Context()) // nothing; it returns at once
				w.writer(nil).Announce(t.Context(), feed.Change{Seq: 1})
				if time.Since(began) < took+500*time.Millisecond {
					t.Error("Announce does not wait")
				}
			})
		})
	}
}
