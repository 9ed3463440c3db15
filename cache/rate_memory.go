package cache

import (
	"context"
	"sync"
	"time"
)

// maxRateKeys bounds the keys that are remembered. Over it some that are still
// counted go, which gains each of them one burst: a flood of addresses must not fill
// the memory.
const maxRateKeys = 100_000

// MemoryRate is a [Rate] in this process.
type MemoryRate struct {
	interval, slack time.Duration
	clock           func() time.Time

	mu sync.Mutex
	// due is when the next one of a key would be on time; earlier ones use its slack.
	due map[string]time.Time
}

// NewMemoryRate returns a rate. The clock may be nil, which means time.Now.
func NewMemoryRate(limit RateLimit, clock func() time.Time) *MemoryRate {
	if clock == nil {
		clock = time.Now
	}
	return &MemoryRate{interval: limit.interval(), slack: limit.slack(), clock: clock, due: map[string]time.Time{}}
}

// Allow implements [Rate].
func (r *MemoryRate) Allow(ctx context.Context, key string) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	due, known := r.due[key]
	if due.Before(now) {
		due = now
	}
	next := due.Add(r.interval)
	if wait := next.Add(-r.slack).Sub(now); wait > 0 {
		return wait, nil
	}
	if !known {
		r.makeRoom(now)
	}
	r.due[key] = next
	return 0, nil
}

// makeRoom keeps the map within its bound. It first looks for keys that have their
// whole burst again, at most a few, so that no caller pays for a sweep.
func (r *MemoryRate) makeRoom(now time.Time) {
	if len(r.due) < maxRateKeys {
		return
	}
	const looks = 8
	n := 0
	for key, due := range r.due {
		if n++; n == looks || !due.After(now) {
			delete(r.due, key)
		}
		if n == looks {
			return
		}
	}
}

// Keys counts the keys that are remembered.
func (r *MemoryRate) Keys() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.due)
}
