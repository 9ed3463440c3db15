package ldap

import (
	"errors"
	"sync"
	"testing"
	"time"

	"drawbridge/connectors"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// manual is a clock that a test moves.
type manual struct {
	mu  sync.Mutex
	now time.Time
}

func (m *manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manual) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

// TestPooledConnectionAges counts, after a pause, the service binds (a new
// connection) and the searches (a probe is one more) that a lookup needs.
func TestPooledConnectionAges(t *testing.T) {
	for _, tt := range []struct {
		name            string
		idle            time.Duration
		binds, searches int
	}{
		{"used again", time.Second, 0, 1},
		{"probed", probeAfter, 0, 2},
		{"probed just before its end", maxIdle - 1, 0, 2},
		{"replaced", maxIdle, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := &manual{now: time.Unix(1000, 0)}
			s := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
			c := client(t, clock.Now, s)
			expect(t, c.Lookup(t.Context(), "alice"), connectors.KindGranted, "")
			binds, searches := s.count(ldap3.ApplicationBindRequest), s.count(ldap3.ApplicationSearchRequest)
			clock.advance(tt.idle)
			expect(t, c.Lookup(t.Context(), "alice"), connectors.KindGranted, "")
			binds, searches = s.count(ldap3.ApplicationBindRequest)-binds, s.count(ldap3.ApplicationSearchRequest)-searches
			if binds != tt.binds || searches != tt.searches {
				t.Errorf("%d binds and %d searches, want %d and %d", binds, searches, tt.binds, tt.searches)
			}
		})
	}
}

// TestBusyConnectionHasALifetime: use does not keep a connection for ever.
func TestBusyConnectionHasALifetime(t *testing.T) {
	clock := &manual{now: time.Unix(1000, 0)}
	s := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	c := client(t, clock.Now, s)
	for elapsed := time.Duration(0); elapsed <= maxLifetime; elapsed += 10 * time.Second {
		expect(t, c.Lookup(t.Context(), "alice"), connectors.KindGranted, "")
		if binds := s.count(ldap3.ApplicationBindRequest); elapsed < minLifetime && binds != 1 {
			t.Fatalf("replaced after %s", elapsed)
		}
		clock.advance(10 * time.Second)
	}
	if binds := s.count(ldap3.ApplicationBindRequest); binds < 2 || binds > 3 {
		t.Errorf("%d connections in %s", binds, maxLifetime)
	}
}

// TestReaperClosesWhatNobodyUses without a login that would do it.
func TestReaperClosesWhatNobodyUses(t *testing.T) {
	clock := &manual{now: time.Unix(1000, 0)}
	c := client(t, clock.Now, serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, ""))))
	expect(t, c.Lookup(t.Context(), "alice"), connectors.KindGranted, "")
	idle := c.pool.idle[0]
	c.pool.reap()
	if len(c.pool.idle) != 1 || c.pool.reaper == nil {
		t.Fatal("a fresh connection is reaped")
	}
	clock.advance(maxIdle)
	c.pool.reap()
	if len(c.pool.idle) != 0 || c.pool.reaper != nil || idle.usable() {
		t.Error("an idle connection is kept")
	}
}

// TestPoolIsBounded: a lookup over the bound waits for its time and is then
// Unavailable.
func TestPoolIsBounded(t *testing.T) {
	c := client(t, nil, serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, ""))))
	c.limits.dial = time.Millisecond
	for range poolSize {
		if err := c.pool.acquire(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
	}
	out := c.Lookup(t.Context(), "alice")
	expect(t, out, connectors.KindUnavailable, "")
	if !errors.Is(out.Cause(), errPoolBusy) {
		t.Errorf("the cause is %v", out.Cause())
	}
	c.pool.release()
	c.limits.dial = time.Second
	expect(t, c.Lookup(t.Context(), "alice"), connectors.KindGranted, "")
}

func TestClosedConnectorIsUnavailable(t *testing.T) {
	c := client(t, nil, serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, ""))))
	expect(t, authenticate(c), connectors.KindGranted, "")
	c.Close()
	c.Close()
	expect(t, authenticate(c), connectors.KindUnavailable, "")
	expect(t, c.Lookup(t.Context(), "alice"), connectors.KindUnavailable, "")
}
