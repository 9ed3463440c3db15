package cache

import (
	"context"
	"sync"
	"time"
)

// maxBudgetKeys bounds the keys that are remembered. Over it some that are still
// counted go: a flood of invented keys must not fill the memory, and none of them
// gains more than its own budget.
const maxBudgetKeys = 100_000

// MemoryBudget is a [Budget] in this process.
type MemoryBudget struct {
	limit  int
	window time.Duration
	clock  func() time.Time

	mu    sync.Mutex
	taken int64 // counts every Take, as stamps
	keys  map[string]map[string]counted
}

// counted is one member.
type counted struct {
	at    time.Time
	stamp int64
}

// NewMemoryBudget returns a budget of limit members, at least one, within the
// window. The clock may be nil, which means time.Now.
func NewMemoryBudget(limit int, window time.Duration, clock func() time.Time) *MemoryBudget {
	if clock == nil {
		clock = time.Now
	}
	return &MemoryBudget{limit: limit, window: window, clock: clock, keys: map[string]map[string]counted{}}
}

// Take implements [Budget].
func (b *MemoryBudget) Take(ctx context.Context, key, member string) (Ticket, time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return Ticket{}, 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	members := b.live(key, now)
	if wait := b.wait(members, now); wait > 0 {
		return Ticket{}, wait, nil
	}
	if members == nil {
		b.makeRoom(now)
		members = map[string]counted{}
		b.keys[key] = members
	}
	b.taken++
	_, before := members[member]
	members[member] = counted{now, b.taken}
	if before {
		return Ticket{}, 0, nil
	}
	return Ticket{key, member, b.taken}, 0, nil
}

// Empty says that nothing is counted.
func (b *MemoryBudget) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.keys) == 0
}

// Full returns how long Take would have a new member of the key wait, and counts
// nothing.
func (b *MemoryBudget) Full(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	return b.wait(b.live(key, now), now)
}

// wait returns how long it takes until there is room among the members.
func (b *MemoryBudget) wait(members map[string]counted, now time.Time) time.Duration {
	if len(members) < b.limit {
		return 0
	}
	oldest := now
	for _, m := range members {
		if m.at.Before(oldest) {
			oldest = m.at
		}
	}
	return oldest.Add(b.window).Sub(now)
}

// GiveBack implements [Budget].
func (b *MemoryBudget) GiveBack(ctx context.Context, t Ticket) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if m, ok := b.keys[t.key][t.member]; ok && m.stamp == t.stamp {
		b.drop(t.key, t.member)
	}
	return nil
}

// Refill implements [Budget].
func (b *MemoryBudget) Refill(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.keys, key)
	return nil
}

// live drops what has left the window and returns the rest, nil when there is none.
func (b *MemoryBudget) live(key string, now time.Time) map[string]counted {
	since := now.Add(-b.window)
	for member, m := range b.keys[key] {
		if !m.at.After(since) {
			b.drop(key, member)
		}
	}
	return b.keys[key]
}

// drop removes a member, and its key with the last one.
func (b *MemoryBudget) drop(key, member string) {
	delete(b.keys[key], member)
	if len(b.keys[key]) == 0 {
		delete(b.keys, key)
	}
}

// makeRoom keeps the map within its bound. It first looks for keys whose window
// is over, at most a few, so that no caller pays for a sweep.
func (b *MemoryBudget) makeRoom(now time.Time) {
	if len(b.keys) < maxBudgetKeys {
		return
	}
	const looks = 8
	n := 0
	for key := range b.keys {
		if b.live(key, now) == nil {
			continue
		}
		if n++; n == looks {
			delete(b.keys, key)
			return
		}
	}
}
