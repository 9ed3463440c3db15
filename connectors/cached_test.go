package connectors_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/connectors"

	"github.com/google/go-cmp/cmp"
)

// mapCache is a cache whose content a test can read and which can be broken.
type mapCache struct {
	mu     sync.Mutex
	values map[string][]byte
	ttls   []time.Duration // of each Set
	err    error
}

func (m *mapCache) Get(_ context.Context, key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return v, ok, m.err
}

func (m *mapCache) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.values[key] = value
		m.ttls = append(m.ttls, ttl)
	}
	return m.err
}

func (m *mapCache) Delete(context.Context, ...string) error { return m.err }

// versioned is a scripted connector with a generation.
type versioned struct {
	scripted
	generation string
}

func (v *versioned) Generation() string { return v.generation }

// start is the moment at which all tests begin.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func cached(c connectors.Connector, store *mapCache) *connectors.CachedChain {
	return connectors.Cached(connectors.NewChain(connectors.Link{Connector: c}), options(store))
}

func options(c *mapCache) connectors.CachedOptions {
	return connectors.CachedOptions{
		Cache: c, TTL: time.Minute, Secret: []byte("0123456789abcdef"),
		Clock: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler),
	}
}

func TestCachedAsksTheBackendOncePerCredential(t *testing.T) {
	alice := person("corp", "alice")
	alice.Groups = []string{"dev"}
	backend := &scripted{name: "corp", outcome: connectors.Granted(alice)}
	store := &mapCache{values: map[string][]byte{}}
	c := cached(backend, store)
	for range 3 {
		got := c.Authenticate(t.Context(), credential("alice", "hunter2"))
		if diff := cmp.Diff(alice, got.Identity()); diff != "" || got.Connector != "corp" {
			t.Fatal(got.Connector, diff)
		}
	}
	if backend.asked != 1 {
		t.Errorf("the backend was asked %d times", backend.asked)
	}
	c.Authenticate(t.Context(), credential("alice", "hunter3"))
	c.Authenticate(t.Context(), credential("alicehunter", "2"))
	if backend.asked != 3 {
		t.Errorf("another credential was answered from the cache: asked %d times", backend.asked)
	}
	for key, value := range store.values {
		if strings.Contains(key, "alice") || strings.Contains(key+string(value), "hunter") {
			t.Errorf("the cache holds %s = %s", key, value)
		}
	}
}

// late answers one question with what was there before the answer was stored, as a
// cache does that many ask at once.
type late struct {
	*mapCache
	once bool
}

func (l *late) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if l.once {
		l.once = false
		return nil, false, nil
	}
	return l.mapCache.Get(ctx, key)
}

func TestCachedLooksAgainBeforeItAsks(t *testing.T) {
	backend := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	store := &late{mapCache: &mapCache{values: map[string][]byte{}}}
	opts := options(store.mapCache)
	opts.Cache = store
	c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
	for range 2 {
		if got := c.Authenticate(t.Context(), credential("alice", "hunter2")); got.Kind() != connectors.KindGranted {
			t.Fatal(got.Kind())
		}
		store.once = true
	}
	if got := backend.asked; got != 1 {
		t.Errorf("the backend was asked %d times", got)
	}
}

func TestCachedRemembersAnswersAndNotOutages(t *testing.T) {
	for _, tt := range []struct {
		outcome connectors.Outcome
		asked   int
	}{
		{connectors.NotMine(), 1},
		{connectors.Denied(connectors.WrongPassword), 1},
		{connectors.Denied(connectors.AccountLocked), 1},
		{connectors.Unavailable(errors.New("down")), 2},
		{connectors.Misconfigured(errors.New("bad")), 2},
	} {
		backend := &scripted{name: "corp", outcome: tt.outcome}
		store := &mapCache{values: map[string][]byte{}}
		c := cached(backend, store)
		c.Authenticate(t.Context(), credential("alice", "x"))
		got := c.Authenticate(t.Context(), credential("alice", "x"))
		if backend.asked != tt.asked || got.Kind() != tt.outcome.Kind() || got.Reason() != tt.outcome.Reason() {
			t.Errorf("%s: asked %d times, then %s", tt.outcome, backend.asked, got.Outcome)
		}
		for _, ttl := range store.ttls {
			if ttl > 30*time.Second {
				t.Errorf("%s is remembered for %s", tt.outcome, ttl)
			}
		}
	}
}

// While corp is down, local may vouch for alice; when corp is back, it is corp's
// word that counts, at once.
func TestCachedForgetsWhatAFallbackGranted(t *testing.T) {
	corp := &scripted{name: "corp", outcome: connectors.Unavailable(errors.New("down"))}
	local := &scripted{name: "local", outcome: connectors.Granted(person("local", "alice"))}
	chain := connectors.NewChain(
		connectors.Link{Connector: corp, NextOnUnavailable: true}, connectors.Link{Connector: local})
	c := connectors.Cached(chain, options(&mapCache{values: map[string][]byte{}}))
	if got := c.Authenticate(t.Context(), credential("alice", "x")); got.Connector != "local" {
		t.Fatalf("got %s by %q", got.Outcome, got.Connector)
	}
	corp.outcome = connectors.Denied(connectors.AccountDisabled)
	if got := c.Authenticate(t.Context(), credential("alice", "x")); got.Kind() != connectors.KindDenied {
		t.Errorf("got %s by %q", got.Outcome, got.Connector)
	}
}

func TestCachedBrokenCacheNeverFailsALogin(t *testing.T) {
	backend := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	c := cached(backend, &mapCache{err: errors.New("redis: connection refused")})
	for range 2 {
		if got := c.Authenticate(t.Context(), credential("alice", "x")); got.Kind() != connectors.KindGranted {
			t.Errorf("got %s", got.Outcome)
		}
	}
	if backend.asked != 2 {
		t.Errorf("asked %d times", backend.asked)
	}
}

func TestCachedIgnoresValuesItCannotRead(t *testing.T) {
	backend := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	store := &mapCache{values: map[string][]byte{}}
	c := cached(backend, store)
	c.Authenticate(t.Context(), credential("alice", "x"))
	for key := range store.values {
		store.values[key] = []byte("{")
	}
	if got := c.Authenticate(t.Context(), credential("alice", "x")); got.Identity().Name != "alice" || backend.asked != 2 {
		t.Errorf("got %s, asked %d times", got.Outcome, backend.asked)
	}
}

// A generation of any connector counts, also of one that did not know the
// username: it may know it now.
func TestCachedForgetsWithTheGeneration(t *testing.T) {
	local := &versioned{scripted{name: "local", outcome: connectors.NotMine()}, "1"}
	corp := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	chain := connectors.NewChain(connectors.Link{Connector: local}, connectors.Link{Connector: corp})
	c := connectors.Cached(chain, options(&mapCache{values: map[string][]byte{}}))
	c.Authenticate(t.Context(), credential("alice", "old"))
	local.generation = "2"
	local.outcome = connectors.Denied(connectors.WrongPassword)
	if got := c.Authenticate(t.Context(), credential("alice", "old")); got.Kind() != connectors.KindDenied {
		t.Errorf("a password from before the reload: got %s", got.Outcome)
	}
}

func TestCachedTurnedOffAndRefused(t *testing.T) {
	backend := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	store := &mapCache{values: map[string][]byte{}}
	opts := options(store)
	opts.TTL = 0
	c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: backend}), opts)
	c.Authenticate(t.Context(), credential("alice", "x"))
	c.Authenticate(t.Context(), credential("alice", "x"))
	if backend.asked != 2 || len(store.values) != 0 {
		t.Errorf("a ttl of zero: asked %d times, %d values kept", backend.asked, len(store.values))
	}
	if got := cached(backend, store).Authenticate(t.Context(), credential("alice", "")); got.Kind() != connectors.KindDenied {
		t.Errorf("an empty password: got %s", got.Outcome)
	}
}
