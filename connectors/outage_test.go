package connectors_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// world is a chain of corp alone, with a clock.
type world struct {
	corp  *scripted
	store *mapCache
	now   time.Time
	chain *connectors.CachedChain
}

func newWorld(change func(*connectors.CachedOptions)) *world {
	w := &world{
		corp:  &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))},
		store: &mapCache{values: map[string][]byte{}}, now: start,
	}
	opts := options(w.store)
	opts.Clock = func() time.Time { return w.now }
	opts.Grace = func(connector string) time.Duration {
		if connector == "corp" {
			return 15 * time.Minute
		}
		return 0
	}
	change(&opts)
	w.chain = connectors.Cached(connectors.NewChain(connectors.Link{Connector: w.corp}), opts)
	return w
}

func (w *world) login(t *testing.T, username, password string) connectors.Verdict {
	t.Helper()
	cred := credential(username, password)
	cred.Address = "192.0.2.1"
	return w.chain.Authenticate(t.Context(), cred)
}

func TestGraceBridgesAnOutageAndNothingElse(t *testing.T) {
	down := connectors.Unavailable(errors.New("down"))
	w := newWorld(func(*connectors.CachedOptions) {})
	if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindGranted || got.Stale {
		t.Fatalf("got %s, stale %v", got.Outcome, got.Stale)
	}
	w.now = w.now.Add(2 * time.Minute) // past the ttl of a minute
	w.corp.outcome = down
	if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindGranted || !got.Stale || got.Identity().Name != "alice" {
		t.Errorf("known from before: got %s, stale %v", got.Outcome, got.Stale)
	}
	if got := w.login(t, "alice", "other"); got.Kind() != connectors.KindUnavailable {
		t.Errorf("another password: got %s", got.Outcome)
	}
	if got := w.login(t, "bob", "x"); got.Kind() != connectors.KindUnavailable {
		t.Errorf("somebody else: got %s", got.Outcome)
	}
	w.corp.outcome = connectors.Misconfigured(errors.New("our account was locked"))
	if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindMisconfigured {
		t.Errorf("misconfigured: got %s", got.Outcome)
	}
	w.corp.outcome = connectors.Granted(person("corp", "alice"))
	if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindGranted || got.Stale {
		t.Errorf("back again: got %s, stale %v", got.Outcome, got.Stale)
	}
	if ttl := w.store.ttls[0]; ttl != 16*time.Minute {
		t.Errorf("a grant is kept for %s", ttl)
	}
}

// A grant says since when it is one, however it came about: a person who is revoked
// must not get rid of that by what is remembered.
func TestVerdictsSayWhenTheyWereVerified(t *testing.T) {
	w := newWorld(func(*connectors.CachedOptions) {})
	verified := func(want time.Time) {
		t.Helper()
		if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindGranted || !got.VerifiedAt.Equal(want) {
			t.Errorf("at %s: %s, verified at %s, want %s", w.now, got.Outcome, got.VerifiedAt, want)
		}
	}
	verified(start)
	w.now = start.Add(59 * time.Second)
	verified(start)
	w.corp.outcome = connectors.Unavailable(errors.New("down"))
	w.now = start.Add(2 * time.Minute)
	verified(start) // by grace
	w.corp.outcome = connectors.Granted(person("corp", "alice"))
	verified(w.now)
	// It begins with the question and not with the answer.
	w.now = start.Add(4 * time.Minute)
	asked := w.now
	w.corp.meanwhile = func() { w.now = w.now.Add(5 * time.Second) }
	verified(asked)
	verified(asked)
	off := newWorld(func(o *connectors.CachedOptions) { o.TTL = 0 })
	if got := off.login(t, "alice", "x"); !got.VerifiedAt.Equal(start) {
		t.Errorf("nothing is remembered: verified at %s", got.VerifiedAt)
	}
}

// Whoever was refused once is not let in by the outage that follows.
func TestGraceNeverAfterARefusal(t *testing.T) {
	for _, refusal := range []connectors.Outcome{connectors.Denied(connectors.AccountDisabled), connectors.NotMine()} {
		w := newWorld(func(*connectors.CachedOptions) {})
		w.login(t, "alice", "x")
		w.now = w.now.Add(2 * time.Minute)
		w.corp.outcome = refusal
		if got := w.login(t, "alice", "x"); got.Kind() != refusal.Kind() {
			t.Errorf("got %s", got.Outcome)
		}
		if len(w.store.values) != 1 {
			t.Errorf("%s: the grant is still there, beside the refusal", refusal)
		}
		w.corp.outcome = connectors.Unavailable(errors.New("down"))
		clear(w.store.values) // the refusal's time is over
		if got := w.login(t, "alice", "x"); got.Kind() != connectors.KindUnavailable {
			t.Errorf("after %s: got %s", refusal, got.Outcome)
		}
	}
}

// Without grace, or of another connector than the one that is down, what is
// remembered does not help.
func TestGraceIsTheConnectorsOwn(t *testing.T) {
	w := newWorld(func(o *connectors.CachedOptions) { o.Grace = nil })
	w.login(t, "alice", "x")
	if ttl := w.store.ttls[0]; ttl != time.Minute {
		t.Errorf("without grace a grant is kept for %s", ttl)
	}
	other := newWorld(func(*connectors.CachedOptions) {})
	other.login(t, "alice", "x")
	other.now = other.now.Add(2 * time.Minute)
	other.corp.name, other.corp.outcome = "sso", connectors.Unavailable(errors.New("down"))
	if got := other.login(t, "alice", "x"); got.Kind() != connectors.KindUnavailable {
		t.Errorf("another connector is down: got %s", got.Outcome)
	}
}

// slow answers when it is released and counts the questions.
type slow struct {
	asked   atomic.Int32
	release chan struct{}
}

func (s *slow) Name() string { return "corp" }

func (s *slow) Authenticate(ctx context.Context, _ identity.Credential) connectors.Outcome {
	s.asked.Add(1)
	select {
	case <-s.release:
		return connectors.Granted(person("corp", "alice"))
	case <-ctx.Done():
		return connectors.Unavailable(ctx.Err())
	}
}

func TestAThousandAtOnceAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &slow{release: make(chan struct{})}
		opts := options(&mapCache{values: map[string][]byte{}})
		opts.FailuresPerMinute = 3
		c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
		var wg sync.WaitGroup
		var granted atomic.Int32
		for range 1000 {
			wg.Go(func() {
				if c.Authenticate(t.Context(), credential("alice", "x")).Kind() == connectors.KindGranted {
					granted.Add(1)
				}
			})
		}
		// The one who asked first leaves; the others get their answer all the same.
		ctx, leave := context.WithCancel(t.Context())
		wg.Go(func() { c.Authenticate(ctx, credential("alice", "x")) })
		synctest.Wait()
		leave()
		synctest.Wait()
		close(backend.release)
		wg.Wait()
		if backend.asked.Load() != 1 || granted.Load() != 1000 {
			t.Errorf("asked %d times, %d granted", backend.asked.Load(), granted.Load())
		}
	})
}

type panicking struct{}

func (panicking) Name() string { return "corp" }

func (panicking) Authenticate(context.Context, identity.Credential) connectors.Outcome {
	panic("index out of range")
}

func TestAPanicIsAnOutage(t *testing.T) {
	c := cached(panicking{}, &mapCache{values: map[string][]byte{}})
	if got := c.Authenticate(t.Context(), credential("alice", "x")); got.Kind() != connectors.KindUnavailable {
		t.Errorf("got %s", got.Outcome)
	}
}

func TestDifferentWrongPasswordsAreLimited(t *testing.T) {
	w := newWorld(func(o *connectors.CachedOptions) { o.FailuresPerMinute = 3 })
	if got := w.login(t, "alice", "good"); got.Kind() != connectors.KindGranted {
		t.Fatal(got.Outcome)
	}
	w.corp.outcome = connectors.Denied(connectors.WrongPassword)
	for i := range 10 { // the same wrong password counts once
		w.login(t, "alice", "wrong")
		w.login(t, "ALICE", fmt.Sprint("wrong ", min(i, 1)))
	}
	asked := w.corp.asked
	got := w.login(t, "Alice", "one more")
	if got.Reason() != connectors.TooManyFailures || got.RetryAfter <= 0 || got.RetryAfter > time.Minute || w.corp.asked != asked {
		t.Errorf("got %s, retry after %s, asked %d more times", got.Outcome, got.RetryAfter, w.corp.asked-asked)
	}
	if got := w.login(t, "alice", "good"); got.Kind() != connectors.KindGranted {
		t.Errorf("a remembered credential: got %s", got.Outcome)
	}
	elsewhere := credential("alice", "another")
	elsewhere.Address = "198.51.100.7"
	if got := w.chain.Authenticate(t.Context(), elsewhere); got.Reason() != connectors.WrongPassword {
		t.Errorf("another address: got %s", got.Outcome)
	}
	if got := w.login(t, "bob", "x"); got.Reason() != connectors.WrongPassword {
		t.Errorf("another user: got %s", got.Outcome)
	}
	w.now = w.now.Add(time.Minute)
	w.corp.outcome = connectors.Granted(person("corp", "alice"))
	if got := w.login(t, "alice", "better"); got.Kind() != connectors.KindGranted {
		t.Errorf("a minute later: got %s", got.Outcome)
	}
}

// Whoever has an IPv6 network has no more attempts than whoever has one address.
func TestTheLimitCountsIPv6Networks(t *testing.T) {
	w := newWorld(func(o *connectors.CachedOptions) { o.FailuresPerMinute = 3 })
	w.corp.outcome = connectors.Denied(connectors.WrongPassword)
	try := func(address string, i int) connectors.Verdict {
		cred := credential("alice", fmt.Sprint(address, i))
		cred.Address = address
		return w.chain.Authenticate(t.Context(), cred)
	}
	for i := range 10 {
		try(fmt.Sprintf("2001:db8:1:1::%x", i), i)
	}
	if w.corp.asked != 3 {
		t.Errorf("%d passwords of one network reached the backend", w.corp.asked)
	}
	if got := try("2001:db8:1:2::1", 0); got.Reason() != connectors.WrongPassword {
		t.Errorf("another network: got %s", got.Outcome)
	}
}

// Passwords that come at the same moment do not slip past the limit together.
func TestTheLimitHoldsForWhatComesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &slow{release: make(chan struct{})}
		opts := options(&mapCache{values: map[string][]byte{}})
		opts.FailuresPerMinute = 5
		c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { c.Authenticate(t.Context(), credential("alice", fmt.Sprint(i))) })
		}
		synctest.Wait()
		if got := backend.asked.Load(); got != 5 {
			t.Errorf("%d passwords reached the backend", got)
		}
		close(backend.release)
		wg.Wait()
	})
}

// An outage is nobody's wrong password.
func TestOutagesAreNoFailures(t *testing.T) {
	w := newWorld(func(o *connectors.CachedOptions) { o.FailuresPerMinute = 2 })
	w.corp.outcome = connectors.Unavailable(errors.New("down"))
	for i := range 10 {
		if got := w.login(t, "alice", fmt.Sprint(i)); got.Kind() != connectors.KindUnavailable {
			t.Fatalf("attempt %d: got %s", i, got.Outcome)
		}
	}
}
