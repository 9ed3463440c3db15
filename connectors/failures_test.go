package connectors_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/cache"
	"drawbridge/connectors"
)

// sharedBudget is what two replicas share; it counts what it is asked and can fail.
type sharedBudget struct {
	*cache.MemoryBudget
	asked int
	err   error
}

func (b *sharedBudget) Take(ctx context.Context, key, member string) (cache.Ticket, time.Duration, error) {
	b.asked++
	if b.err != nil {
		return cache.Ticket{}, 0, b.err
	}
	return b.MemoryBudget.Take(ctx, key, member)
}

func (b *sharedBudget) GiveBack(ctx context.Context, t cache.Ticket) error {
	b.asked++
	return errors.Join(b.err, b.MemoryBudget.GiveBack(ctx, t))
}

func (b *sharedBudget) Refill(ctx context.Context, key string) error {
	b.asked++
	return errors.Join(b.err, b.MemoryBudget.Refill(ctx, key))
}

// replicas returns two that share the budget and no cache.
func replicas(limit int) (*sharedBudget, [2]*world) {
	shared := &sharedBudget{MemoryBudget: cache.NewMemoryBudget(limit, connectors.FailureWindow, nil)}
	var both [2]*world
	for i := range both {
		both[i] = newWorld(func(o *connectors.CachedOptions) {
			o.FailuresPerMinute, o.SharedFailures = limit, shared
		})
		both[i].corp.outcome = connectors.Denied(connectors.WrongPassword)
	}
	return shared, both
}

// An attacker who goes from replica to replica has no more guesses than at one.
func TestTheLimitCountsAcrossReplicas(t *testing.T) {
	_, both := replicas(5)
	for i := range 40 {
		got := both[i%2].login(t, "alice", fmt.Sprint("guess ", i))
		if limited := got.Reason() == connectors.TooManyFailures; limited != (i >= 5) || limited != (got.RetryAfter > 0) {
			t.Errorf("guess %d: %s, retry after %s", i, got.Outcome, got.RetryAfter)
		}
	}
	if asked := both[0].corp.asked + both[1].corp.asked; asked != 5 {
		t.Errorf("%d guesses reached the backends", asked)
	}
	if got := both[1].login(t, "bob", "x"); got.Reason() != connectors.WrongPassword {
		t.Errorf("another user: %s", got.Outcome)
	}
	elsewhere := credential("alice", "x")
	elsewhere.Address = "198.51.100.7"
	if got := both[1].chain.Authenticate(t.Context(), elsewhere); got.Reason() != connectors.WrongPassword {
		t.Errorf("another address: %s", got.Outcome)
	}
}

// A grant at one replica clears the count of all; an outage is taken back.
func TestTheSharedLimitForgets(t *testing.T) {
	_, both := replicas(3)
	for i := range 2 {
		both[i].login(t, "alice", fmt.Sprint("typo ", i))
	}
	both[1].corp.outcome = connectors.Unavailable(errors.New("down"))
	for i := range 5 {
		if got := both[1].login(t, "alice", fmt.Sprint("meanwhile ", i)); got.Kind() != connectors.KindUnavailable {
			t.Fatalf("during an outage: %s", got.Outcome)
		}
	}
	both[1].corp.outcome = connectors.Granted(person("corp", "alice"))
	if got := both[1].login(t, "alice", "right"); got.Kind() != connectors.KindGranted {
		t.Fatalf("got %s", got.Outcome)
	}
	both[1].corp.outcome = connectors.Denied(connectors.WrongPassword)
	for i := range 3 {
		if got := both[1].login(t, "alice", fmt.Sprint("again ", i)); got.Reason() != connectors.WrongPassword {
			t.Errorf("typo %d after a grant: %s", i, got.Outcome)
		}
	}
}

// While what is shared fails, each replica counts for itself, beginning with what
// it has seen.
func TestTheLimitIsLocalWhileTheSharedOneFails(t *testing.T) {
	shared, both := replicas(4)
	for i := range 3 {
		both[0].login(t, "alice", fmt.Sprint("guess ", i))
	}
	shared.err = cache.ErrDown
	for i := range 10 {
		both[0].login(t, "alice", fmt.Sprint("guess during the outage ", i))
	}
	if n := both[0].corp.asked; n != 4 {
		t.Errorf("%d guesses reached the backend of one replica, want 4", n)
	}
	shared.err = nil
	if got := both[1].login(t, "alice", "the fourth that is shared"); got.Reason() != connectors.WrongPassword {
		t.Errorf("got %s", got.Outcome)
	}
	if got := both[1].login(t, "alice", "the fifth"); got.Reason() != connectors.TooManyFailures {
		t.Errorf("got %s", got.Outcome)
	}
}

// What is remembered costs no round trip, and no limit is no question.
func TestRememberedCredentialsAskNoSharedLimit(t *testing.T) {
	shared, both := replicas(5)
	w := both[0]
	w.corp.outcome = connectors.Granted(person("corp", "alice"))
	w.login(t, "alice", "right")
	if shared.asked != 2 {
		t.Errorf("a login asks %d times", shared.asked)
	}
	for range 100 {
		w.login(t, "alice", "right")
	}
	w.corp.outcome = connectors.Denied(connectors.WrongPassword)
	w.login(t, "alice", "wrong")
	if shared.asked != 3 {
		t.Errorf("a wrong password asks %d times", shared.asked-2)
	}
	for range 100 {
		w.login(t, "alice", "wrong")
	}
	if shared.asked != 3 {
		t.Errorf("remembered answers ask %d times", shared.asked-3)
	}
	off := newWorld(func(o *connectors.CachedOptions) { o.SharedFailures = shared })
	off.login(t, "bob", "x")
	if shared.asked != 3 {
		t.Error("without a limit it is asked")
	}
}

// Whoever hangs up before the answer, and comes back when it is remembered, has
// used up a guess all the same.
func TestHangingUpIsNoWayAroundTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &slow{release: make(chan struct{})}
		opts := options(&mapCache{values: map[string][]byte{}})
		opts.FailuresPerMinute = 3
		c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
		for i := range 10 {
			ctx, hangUp := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.Authenticate(ctx, credential("alice", fmt.Sprint("guess ", i)))
			}()
			synctest.Wait()
			hangUp()
			<-done
		}
		if n := backend.asked.Load(); n != 3 {
			t.Errorf("%d guesses reached the backend", n)
		}
		close(backend.release)
		synctest.Wait()
	})
}

// Whoever is over the limit can tell a remembered password by its being let in,
// and gets ten times the limit of guesses for it, not any number.
func TestARememberedPasswordIsNotFoundByGuessing(t *testing.T) {
	const limit = 3
	w := newWorld(func(o *connectors.CachedOptions) { o.FailuresPerMinute = limit })
	w.login(t, "alice", "right")
	w.corp.outcome = connectors.Denied(connectors.WrongPassword)
	guess := func(from, to int) {
		for i := range to - from {
			w.login(t, "alice", fmt.Sprint("guess ", from+i))
		}
	}
	right := func(address string) connectors.Verdict {
		cred := credential("alice", "right")
		cred.Address = address
		return w.chain.Authenticate(t.Context(), cred)
	}
	const here, elsewhere = "192.0.2.1", "198.51.100.7"
	guess(0, limit+10*limit-1)
	for range 100 { // again and again the same is one
		w.login(t, "alice", "guess 5")
	}
	if got := right(here); got.Kind() != connectors.KindGranted {
		t.Errorf("over the limit, remembered: %s", got.Outcome)
	}
	guess(1000, 1002)
	if got := right(here); got.Reason() != connectors.TooManyFailures || got.RetryAfter < time.Second {
		t.Errorf("found by guessing: %s, retry after %s", got.Outcome, got.RetryAfter)
	}
	if got := right(elsewhere); got.Kind() != connectors.KindGranted {
		t.Errorf("elsewhere: %s", got.Outcome)
	}
	w.now = w.now.Add(connectors.FailureWindow + time.Second)
	w.corp.outcome = connectors.Granted(person("corp", "alice"))
	if got := right(here); got.Kind() != connectors.KindGranted {
		t.Errorf("a minute later: %s", got.Outcome)
	}
}
