package cache_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/cache/conformance"

	"github.com/google/go-cmp/cmp"
)

func newMemory(t testing.TB, maxBytes int64, clock func() time.Time) *cache.Memory {
	t.Helper()
	m := cache.NewMemory(maxBytes, clock)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestMemoryConformance(t *testing.T) {
	conformance.Run(t, func(t testing.TB) cache.Cache { return newMemory(t, 0, nil) })
}

// fakeClock is a clock without a monotonic reading that moves when told.
type fakeClock struct{ nanos atomic.Int64 }

func newFakeClock() *fakeClock {
	c := &fakeClock{}
	c.nanos.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *fakeClock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func TestMemoryExpiresToTheNanosecond(t *testing.T) {
	clock := newFakeClock()
	m := newMemory(t, 0, clock.now)
	for _, ttl := range []time.Duration{1, time.Millisecond, time.Second, 5 * time.Minute, 720 * time.Hour} {
		key := ttl.String()
		if err := m.Set(t.Context(), key, []byte("v"), ttl); err != nil {
			t.Fatal(err)
		}
		clock.advance(ttl - 1)
		if _, ok, _ := m.Get(t.Context(), key); !ok {
			t.Errorf("ttl %v: gone 1 ns early", ttl)
		}
		clock.advance(1)
		if _, ok, _ := m.Get(t.Context(), key); ok {
			t.Errorf("ttl %v: still there when it has passed", ttl)
		}
	}
}

func TestMemoryReadingDoesNotProlong(t *testing.T) {
	clock := newFakeClock()
	m := newMemory(t, 0, clock.now)
	if err := m.Set(t.Context(), "k", []byte("v"), time.Minute); err != nil {
		t.Fatal(err)
	}
	for range 59 {
		clock.advance(time.Second)
		if _, ok, _ := m.Get(t.Context(), "k"); !ok {
			t.Fatal("gone early")
		}
	}
	clock.advance(time.Second)
	if _, ok, _ := m.Get(t.Context(), "k"); ok {
		t.Error("reading a credential prolonged it: somebody who left could stay in by logging in often")
	}
}

// sum returns how many bytes of the given keys the cache holds.
func sum(t *testing.T, m *cache.Memory, keys []string) (bytes, count int64) {
	t.Helper()
	for _, k := range keys {
		if v, ok, err := m.Get(t.Context(), k); err != nil {
			t.Fatal(err)
		} else if ok {
			bytes += int64(len(k) + len(v))
			count++
		}
	}
	return bytes, count
}

func TestMemoryIsBounded(t *testing.T) {
	const bound = 256 << 10
	for _, size := range []int{0, 100, 4 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			m := newMemory(t, bound, nil)
			var keys []string
			for i := range 8 * bound / (size + 128) {
				keys = append(keys, fmt.Sprintf("key-%08d", i))
				if err := m.Set(t.Context(), keys[i], make([]byte, size), time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			m.Settle()
			bytes, count := sum(t, m, keys)
			if bytes+count*128 > bound {
				t.Errorf("%d bytes in %d entries, over the bound of %d", bytes, count, bound)
			}
			if count == 0 {
				t.Error("nothing is left")
			}
		})
	}
}

func TestMemoryValueOverTheBound(t *testing.T) {
	m := newMemory(t, 64<<10, nil)
	for _, k := range []string{"small", "grows"} {
		if err := m.Set(t.Context(), k, []byte("v"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Set(t.Context(), "grows", make([]byte, 64<<10), time.Hour); err != nil {
		t.Fatal(err)
	}
	m.Settle()
	if _, ok, _ := m.Get(t.Context(), "grows"); ok {
		t.Error("the old value is served after a newer one was set, or the bound does not hold")
	}
	if _, ok, _ := m.Get(t.Context(), "small"); !ok {
		t.Error("one huge value emptied the cache")
	}
}

// A name typed at a login prompt is part of a key. Somebody who tries many names
// must not push out the people who are really there.
func TestMemoryFloodKeepsWhatIsUsed(t *testing.T) {
	const bound = 256 << 10
	m := newMemory(t, bound, nil)
	if err := m.Set(t.Context(), "alice", []byte("v"), time.Hour); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, ok, _ := m.Get(t.Context(), "alice"); !ok {
			t.Fatal("alice is gone before the flood")
		}
	}
	m.Settle()
	for i := range 20_000 {
		if err := m.Set(t.Context(), fmt.Sprintf("made-up-%d", i), []byte("v"), time.Hour); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			_, _, _ = m.Get(t.Context(), "alice")
			m.Settle()
		}
	}
	if _, ok, _ := m.Get(t.Context(), "alice"); !ok {
		t.Error("a flood of names that are used once pushed out one that is used often")
	}
}

func TestMemoryStats(t *testing.T) {
	m := newMemory(t, 0, nil)
	_, _, _ = m.Get(t.Context(), "k")
	_ = m.Set(t.Context(), "k", nil, time.Hour)
	_, _, _ = m.Get(t.Context(), "k")
	_, _, _ = m.Get(t.Context(), "k")
	if diff := cmp.Diff(cache.Stats{Hits: 2, Misses: 1}, m.Stats()); diff != "" {
		t.Error(diff)
	}
	if !m.Healthy() {
		t.Error("not healthy")
	}
}

func TestMemoryClosed(t *testing.T) {
	m := cache.NewMemory(0, nil)
	_ = m.Set(t.Context(), "k", []byte("v"), time.Hour)
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, _ := m.Get(t.Context(), "k"); ok {
		t.Error("an entry outlived Close")
	}
}

func BenchmarkMemoryGet(b *testing.B) {
	m := newMemory(b, 0, nil)
	_ = m.Set(b.Context(), "k", make([]byte, 512), time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = m.Get(b.Context(), "k")
	}
}
