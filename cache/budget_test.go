package cache_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/cache/conformance"
)

func TestMemoryBudgetConformance(t *testing.T) {
	conformance.RunBudget(t, func(_ testing.TB, limit int, window time.Duration) [2]cache.Budget {
		b := cache.NewMemoryBudget(limit, window, nil)
		return [2]cache.Budget{b, b}
	})
}

// The window slides: what leaves it makes room for one more, not for all.
func TestMemoryBudgetSlides(t *testing.T) {
	clock := newFakeClock()
	b := cache.NewMemoryBudget(2, time.Minute, clock.now)
	take := func(member string, want time.Duration) {
		t.Helper()
		if _, wait, err := b.Take(t.Context(), "k", member); err != nil || wait != want {
			t.Errorf("take %s: wait %s, %v; want %s", member, wait, err, want)
		}
	}
	full := func(want time.Duration) {
		t.Helper()
		for range 3 { // it counts nothing
			if wait := b.Full("k"); wait != want {
				t.Errorf("full: wait %s, want %s", wait, want)
			}
		}
	}
	full(0)
	take("a", 0)
	full(0)
	clock.advance(20 * time.Second)
	take("b", 0)
	full(40 * time.Second)
	take("c", 40*time.Second)
	clock.advance(40 * time.Second)
	take("c", 0)
	take("d", 20*time.Second)
}

// A flood of invented keys does not fill the memory.
func TestMemoryBudgetIsBounded(t *testing.T) {
	b := cache.NewMemoryBudget(2, time.Minute, nil)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	flood := func(round int) {
		for i := range 100_000 {
			if _, _, err := b.Take(t.Context(), fmt.Sprint(round, "-", i), "m"); err != nil {
				t.Fatal(err)
			}
		}
	}
	flood(0)
	full := heap()
	flood(1)
	flood(2)
	if now := heap(); now > full+full/4 {
		t.Errorf("%d bytes after the first flood, %d after the third", full, now)
	}
}
