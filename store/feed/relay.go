package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Cache is where a [Relay] lies; a cache.Cache is one. It must be sealed where
// others can write to it: who can forge a change can revoke anything.
type Cache interface {
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Delete(ctx context.Context, keys ...string) error
}

// Relay is the newest part of the feed in a cache that the processes share. See
// the package's text for what can be concluded from it.
type Relay struct{ cache Cache }

// NewRelay returns the relay in the cache, which must not be one that answers from
// this process what another one has changed meanwhile.
func NewRelay(cache Cache) *Relay { return &Relay{cache} }

const (
	headKey = "feed:head"
	// headTTL is as good as forever; followers write a head that is gone again.
	headTTL = 30 * 24 * time.Hour
	// entryTTL is long beside the time in which a follower without the store reads
	// an entry, also for a change that expires sooner: one that is missing stops
	// the follower.
	entryTTL = time.Hour
	// setBack is by how many numbers a slower writer is expected to set the head
	// back: each takes a writer of its own that is under way at the same moment.
	setBack = 4
	// relayLength is how many of the last changes are put into an emptied cache.
	relayLength = 1000
)

func entryKey(seq int64) string { return "feed:" + strconv.FormatInt(seq, 10) }

// Publish puts changes that the store has acknowledged into the relay, the head
// last. Followers put them there too, when they see them.
func (r *Relay) Publish(ctx context.Context, changes ...Change) error {
	if len(changes) == 0 {
		return nil
	}
	for _, c := range changes {
		if err := r.put(ctx, c); err != nil {
			return err
		}
	}
	return r.setHead(ctx, changes[len(changes)-1].Seq)
}

// put stores one change. One without a kind stands for a number whose change has
// expired.
func (r *Relay) put(ctx context.Context, c Change) error {
	value, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("relay change %d: %w", c.Seq, err)
	}
	if err := r.cache.Set(ctx, entryKey(c.Seq), value, entryTTL); err != nil {
		return fmt.Errorf("relay change %d: %w", c.Seq, err)
	}
	return nil
}

// entry returns the change of that number, and whether it is there.
func (r *Relay) entry(ctx context.Context, seq int64) (Change, bool, error) {
	var c Change
	value, ok, err := r.cache.Get(ctx, entryKey(seq))
	if err != nil || !ok {
		return c, false, err
	}
	if err := json.Unmarshal(value, &c); err != nil || c.Seq != seq {
		return Change{}, false, errors.New("the relay holds something else than a change")
	}
	return c, true, nil
}

func (r *Relay) setHead(ctx context.Context, seq int64) error {
	if err := r.cache.Set(ctx, headKey, strconv.AppendInt(nil, seq, 10), headTTL); err != nil {
		return fmt.Errorf("relay the head: %w", err)
	}
	return nil
}

// head returns the number of the newest change, and whether the relay has one.
func (r *Relay) head(ctx context.Context) (int64, bool, error) {
	value, ok, err := r.cache.Get(ctx, headKey)
	if err != nil || !ok {
		return 0, false, err
	}
	seq, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || seq < 0 {
		return 0, false, errors.New("the relay's head is no number")
	}
	return seq, true, nil
}

// cut removes what lies after the newest change of the store, and the head: they
// were put there by another store, or by an older state of this one.
func (r *Relay) cut(ctx context.Context, newest int64) error {
	keys := []string{headKey}
	for seq := newest + 1; seq <= newest+relayLength; seq++ {
		keys = append(keys, entryKey(seq))
	}
	if err := r.cache.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("cut the relay: %w", err)
	}
	return nil
}
