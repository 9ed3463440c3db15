package revocation

import (
	"hash/maphash"
	"sync"
	"time"
)

// key stands for an ID or a name.
type key [2]uint64

// hasher makes keys. Its seeds are random, so that nobody can look for two IDs with
// one key.
type hasher [2]maphash.Seed

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

func (h hasher) key(text string) key {
	return key{maphash.String(h[0], text), maphash.String(h[1], text)}
}

// entry is what is known of a key.
type entry interface {
	// over reports whether the entry has lost its meaning.
	over(now moment) bool
}

// moment is a time in Unix seconds, which is all that an end needs: half of the
// memory of a list is its values.
type moment uint32

func momentOf(t time.Time) moment { return moment(min(max(t.Unix(), 0), 1<<32-1)) } //nolint:gosec // it is within the bounds

// until is the entry of what is revoked as a whole.
type until moment

func (u until) over(now moment) bool { return moment(u) < now }

// before is the entry of what is revoked up to a time.
type before struct {
	at  int64 // Unix milliseconds
	end moment
}

func (b before) over(now moment) bool { return b.end < now }

// shards is a number of maps with a lock each, so that a sweep stops a few checks
// for a millisecond and not all of them for long.
const shards = 64

// table maps keys to entries.
type table[E entry] struct{ shards [shards]shard[E] }

type shard[E entry] struct {
	mu      sync.RWMutex
	entries map[key]E
}

func (t *table[E]) shard(k key) *shard[E] { return &t.shards[k[0]%shards] }

func (t *table[E]) get(k key) (E, bool) {
	s := t.shard(k)
	s.mu.RLock()
	e, ok := s.entries[k]
	s.mu.RUnlock()
	return e, ok
}

// put stores what merge makes of the entry that is there, if there is one.
func (t *table[E]) put(k key, merge func(old E, ok bool) E) {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[key]E{}
	}
	old, ok := s.entries[k]
	s.entries[k] = merge(old, ok)
}

func (t *table[E]) len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}

// sweep drops what is over. A map never gives memory back, so that one with less
// in it is made anew.
func (t *table[E]) sweep(now moment) {
	for i := range t.shards {
		t.shards[i].sweep(now)
	}
}

func (s *shard[E]) sweep(now moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	live := 0
	for _, e := range s.entries {
		if !e.over(now) {
			live++
		}
	}
	if live == len(s.entries) {
		return
	}
	entries := make(map[key]E, live)
	for k, e := range s.entries {
		if !e.over(now) {
			entries[k] = e
		}
	}
	s.entries = entries
}
