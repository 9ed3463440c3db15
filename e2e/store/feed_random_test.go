package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"drawbridge/tokens/revocation"
)

// TestFeedThroughRandomOutages revokes all the time while PostgreSQL and Redis die
// and come back. A token whose revocation was acknowledged a second ago is never let
// through by any replica, whatever is away.
func TestFeedThroughRandomOutages(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := newCluster(t)
	replicas := []*replica{c.start(), c.start()}
	for _, r := range replicas {
		r.knows("before")
	}
	var said ledger
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i, r := range replicas {
		running.Go(func() { revokeAlways(t, r, i, &said, stop) })
		running.Go(func() { checkAlways(t, r, i, &said, stop) })
	}
	pause := func() { time.Sleep(time.Duration(300+random.IntN(1500)) * time.Millisecond) }
	for range 8 {
		switch random.IntN(5) {
		case 0:
			c.postgres.Kill()
			pause()
			c.postgres.Restart()
		case 1:
			c.redis.Kill()
			pause()
			c.redis.Restart()
		case 2: // together: Redis comes back knowing nothing
			c.redis.Kill()
			c.postgres.Kill()
			pause()
			c.redis.Restart()
			pause()
			c.postgres.Restart()
		case 3:
			c.postgres.Kill()
			pause()
			c.redis.CLI("FLUSHALL")
			pause()
			c.postgres.Restart()
		case 4:
			c.redis.Pause()
			pause()
			c.redis.Resume()
		}
		// What is away next must find the other one complete: see the text of
		// package feed for what remains.
		for _, r := range replicas {
			r.knows("between two outages")
		}
		pause()
	}
	close(stop)
	running.Wait()
	if len(said.ids) < 50 {
		t.Errorf("only %d revocations were acknowledged", len(said.ids))
	}
	t.Logf("%d revocations were acknowledged", len(said.ids))
	c.revoked = said.ids
	for _, r := range append(replicas, c.start()) {
		r.knows("at the end")
	}
}

// ledger is what was acknowledged, and when.
type ledger struct {
	mu  sync.Mutex
	ids []string
	at  []time.Time
}

func (l *ledger) add(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids, l.at = append(l.ids, id), append(l.at, time.Now())
}

// before returns what was acknowledged a second before the time.
func (l *ledger) before(now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.at)
	for n > 0 && now.Sub(l.at[n-1]) <= time.Second {
		n--
	}
	return l.ids[:n]
}

func revokeAlways(t *testing.T, r *replica, of int, said *ledger, stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		id := fmt.Sprintf("%d-%d", of, i)
		if r.Token(t.Context(), id, revocation.Order{By: "cli:test"}) == nil {
			said.add(id)
		}
	}
}

func checkAlways(t *testing.T, r *replica, of int, said *ledger, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(10 * time.Millisecond):
		}
		for _, id := range said.before(time.Now()) {
			if r.check(id) == nil {
				t.Errorf("replica %d lets %s through", of, id)
				return
			}
		}
	}
}
