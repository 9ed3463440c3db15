package cache

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	// DefaultMemoryBytes is the bound of the in-process cache that [Open] makes:
	// a hundred thousand people with a few groups each.
	DefaultMemoryBytes = 64 << 20
	// MaxTTL is the longest time a value is kept. A longer ttl is cut to it,
	// because far larger ones overflow a backend's arithmetic.
	MaxTTL = 365 * 24 * time.Hour
	// entryOverhead is about what an entry costs beside its key and value, so
	// that a flood of tiny entries is bounded as well.
	entryOverhead = 128
)

// Memory is a cache in this process. Its size is bounded by the bytes of its
// keys and values; when it is full, what was used least goes first. The zero
// value is not usable: see [NewMemory].
type Memory struct {
	entries  *otter.Cache[string, entry]
	maxBytes int64
	hits     atomic.Uint64
	misses   atomic.Uint64
}

// entry is one value. It carries its ttl to [otter], which asks for it once,
// when the entry is written.
type entry struct {
	value []byte
	ttl   time.Duration
}

// NewMemory returns an empty cache that holds about maxBytes of keys and
// values; zero or less means [DefaultMemoryBytes]. The clock may be nil, which
// means time.Now. Close the cache when it is no longer needed.
func NewMemory(maxBytes int64, clock func() time.Time) *Memory {
	if maxBytes <= 0 {
		maxBytes = DefaultMemoryBytes
	}
	if clock == nil {
		clock = time.Now
	}
	m := &Memory{maxBytes: maxBytes}
	// Must panics only on contradictory options, and these are constant.
	m.entries = otter.Must(&otter.Options[string, entry]{
		MaximumWeight: uint64(maxBytes),
		Weigher:       func(key string, e entry) uint32 { return clampWeight(weight(key, e.value)) },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry]) time.Duration {
			return e.Value.ttl
		}),
		Clock:  newSteadyClock(clock),
		Logger: &otter.NoopLogger{},
	})
	return m
}

// Get implements [Cache].
func (m *Memory) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	e, ok := m.entries.GetIfPresent(key)
	if !ok {
		m.misses.Add(1)
		return nil, false, nil
	}
	m.hits.Add(1)
	return e.value, true, nil
}

// Set implements [Cache]. A value that is larger than the whole cache is not
// stored, and what the key held before is dropped.
func (m *Memory) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ttl <= 0 {
		return nil
	}
	if weight(key, value) > m.maxBytes {
		m.entries.Invalidate(key)
		return nil
	}
	// The caller may go on using its slice: the cache keeps a copy.
	m.entries.Set(key, entry{value: append([]byte{}, value...), ttl: min(ttl, MaxTTL)})
	return nil
}

// Delete implements [Cache].
func (m *Memory) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, key := range keys {
		m.entries.Invalidate(key)
	}
	return nil
}

// Close drops every entry and stops the goroutine that removes expired ones.
func (m *Memory) Close() error {
	m.entries.StopAllGoroutines()
	m.entries.InvalidateAll()
	return nil
}

// Healthy is true: this process answers itself.
func (m *Memory) Healthy() bool { return true }

// Stats returns the counters since the start.
func (m *Memory) Stats() Stats {
	return Stats{Hits: m.hits.Load(), Misses: m.misses.Load()}
}

// weight is what an entry counts against the bound, in bytes.
func weight(key string, value []byte) int64 {
	return int64(len(key)) + int64(len(value)) + entryOverhead
}

func clampWeight(n int64) uint32 {
	return uint32(min(n, math.MaxUint32)) //nolint:gosec // both bounds hold: lengths are not negative
}

// steadyClock gives otter the time. It counts from the first reading along the
// monotonic clock, when the readings carry one: a wall clock that is set back
// must not lengthen the life of a verified credential.
type steadyClock struct {
	now   func() time.Time
	start time.Time
}

func newSteadyClock(now func() time.Time) *steadyClock {
	return &steadyClock{now: now, start: now()}
}

// NowNano implements [otter.Clock].
func (c *steadyClock) NowNano() int64 {
	return c.start.UnixNano() + int64(c.now().Sub(c.start))
}

// Tick implements [otter.Clock]. It paces the removal of expired entries, which
// no reader sees anyway, so that it follows the real time in tests as well.
func (c *steadyClock) Tick(d time.Duration) <-chan time.Time {
	return time.Tick(d)
}
