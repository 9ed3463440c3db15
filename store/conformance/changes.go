package conformance

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"drawbridge/store"
	"drawbridge/store/feed"

	"github.com/google/go-cmp/cmp"
)

// At is the present as the tables can hold it.
func At() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func change(value string) feed.Change {
	return feed.Change{
		Kind: feed.RevokeToken, Value: value, At: At(), By: "cli:root", Reason: "lost laptop 💻",
		ExpiresAt: At().Add(time.Hour),
	}
}

func testChangesInOrder(t *testing.T, open Open) {
	s := open(t)
	var want []feed.Change
	for _, batch := range [][]feed.Change{{change("a")}, {change("b"), change("c")}} {
		stored, err := s.AppendChanges(t.Context(), batch...)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, stored...)
	}
	got, newest, err := open(t).ChangesSince(t.Context(), 0, 10)
	if err != nil || newest != 3 {
		t.Fatalf("newest %d, %v", newest, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, newest, err = s.ChangesSince(t.Context(), 1, 1); err != nil || newest != 3 || len(got) != 1 || got[0].Value != "b" {
		t.Errorf("a page: %v, newest %d, %v", got, newest, err)
	}
	if got, newest, err = s.ChangesSince(t.Context(), 3, 10); err != nil || newest != 3 || len(got) != 0 {
		t.Errorf("nothing new: %v, newest %d, %v", got, newest, err)
	}
}

// testChangesConcurrent reads while several write: a reader that goes on from the
// number it was told must miss nothing.
func testChangesConcurrent(t *testing.T, open Open) {
	const each = 15
	stores := []*store.Store{open(t), open(t)}
	var wg sync.WaitGroup
	for w := range Writers {
		wg.Go(func() {
			for i := range each {
				if _, err := stores[w%2].AppendChanges(t.Context(), change(strconv.Itoa(w)+"-"+strconv.Itoa(i))); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	seen, last := map[string]bool{}, int64(0)
	for deadline := time.Now().Add(30 * time.Second); len(seen) < Writers*each && time.Now().Before(deadline); {
		changes, newest, err := stores[0].ChangesSince(t.Context(), last, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			seen[c.Value] = true
		}
		last = newest
	}
	wg.Wait()
	if len(seen) != Writers*each || last != Writers*each {
		t.Errorf("saw %d of %d changes, up to number %d", len(seen), Writers*each, last)
	}
}

func testChangesExpire(t *testing.T, open Open) {
	s := open(t)
	old := change("old")
	old.ExpiresAt = At().Add(-time.Second)
	if _, err := s.AppendChanges(t.Context(), old, change("live")); err != nil {
		t.Fatal(err)
	}
	if got, newest, err := s.ChangesSince(t.Context(), 0, 10); err != nil || newest != 2 || len(got) != 1 || got[0].Value != "live" {
		t.Errorf("got %v, newest %d, %v", got, newest, err)
	}
	if n, err := s.PruneChanges(t.Context(), At()); err != nil || n != 1 {
		t.Errorf("pruned %d, %v", n, err)
	}
	if n, err := s.PruneChanges(t.Context(), At().Add(2*time.Hour)); err != nil || n != 1 {
		t.Errorf("pruned %d, %v", n, err)
	}
	// The numbers go on: a reader at number 2 must not miss the next change.
	if stored, err := s.AppendChanges(t.Context(), change("next")); err != nil || stored[0].Seq != 3 {
		t.Errorf("got %v, %v", stored, err)
	}
}

// testChangesPrune removes more than one statement does.
func testChangesPrune(t *testing.T, open Open) {
	s := open(t)
	// A few hundred at a time: one call on the store has five seconds, and SQLite
	// under the race detector needs a millisecond for each.
	for written := 0; written < 5001; {
		batch := make([]feed.Change, min(250, 5001-written))
		for i := range batch {
			batch[i] = change(strconv.Itoa(written + i))
		}
		if _, err := s.AppendChanges(t.Context(), batch...); err != nil {
			t.Fatal(err)
		}
		written += len(batch)
	}
	live := change("live")
	live.ExpiresAt = At().Add(3 * time.Hour)
	if _, err := s.AppendChanges(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	if n, err := s.PruneChanges(t.Context(), At().Add(2*time.Hour)); err != nil || n != 5001 {
		t.Errorf("pruned %d, %v", n, err)
	}
	if got, newest, err := s.ChangesSince(t.Context(), 0, 10); err != nil || newest != 5002 || len(got) != 1 {
		t.Errorf("got %v, newest %d, %v", got, newest, err)
	}
}

func testChangesIncomplete(t *testing.T, open Open) {
	s := open(t)
	bad := change("x")
	bad.ExpiresAt = time.Time{}
	if _, err := s.AppendChanges(t.Context(), change("good"), bad); err == nil {
		t.Error("a change without an end was taken")
	}
	if _, newest, err := s.ChangesSince(t.Context(), 0, 10); err != nil || newest != 0 {
		t.Errorf("a part of the refused call is there: newest %d, %v", newest, err)
	}
}

func testOpenTogether(t *testing.T, open Open) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := open(t).Ready(t.Context()); err != nil {
				t.Errorf("ready: %v", err)
			}
		})
	}
	wg.Wait()
}
