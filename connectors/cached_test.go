package connectors_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"drawbridge/connectors"

	"github.com/google/go-cmp/cmp"
)

// mapCache is a cache whose content a test can read and which can be broken.
type mapCache struct {
	values map[string][]byte
	err    error
}

func (m *mapCache) Get(_ context.Context, key string) ([]byte, bool, error) {
	v, ok := m.values[key]
	return v, ok, m.err
}

func (m *mapCache) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	if m.err == nil {
		m.values[key] = value
	}
	return m.err
}

func (m *mapCache) Delete(context.Context, ...string) error { return m.err }

// versioned is a scripted connector with a generation and a lookup.
type versioned struct {
	scripted
	generation string
}

func (v *versioned) Generation() string { return v.generation }

func (v *versioned) Lookup(context.Context, string) connectors.Outcome { return v.outcome }

func options(c *mapCache) connectors.CachedOptions {
	return connectors.CachedOptions{
		Cache: c, TTL: time.Minute, Secret: []byte("0123456789abcdef"), Log: slog.New(slog.DiscardHandler),
	}
}

func TestCachedAsksTheBackendOncePerCredential(t *testing.T) {
	alice := person("corp", "alice")
	alice.Groups = []string{"dev"}
	backend := &scripted{name: "corp", outcome: connectors.Granted(alice)}
	store := &mapCache{values: map[string][]byte{}}
	c := connectors.Cached(backend, options(store))
	for range 3 {
		got := c.Authenticate(t.Context(), credential("alice", "hunter2"))
		if diff := cmp.Diff(alice, got.Identity()); diff != "" {
			t.Fatal(diff)
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

func TestCachedRemembersOnlyGrants(t *testing.T) {
	for _, outcome := range []connectors.Outcome{
		connectors.NotMine(), connectors.Denied(connectors.WrongPassword),
		connectors.Unavailable(errors.New("down")), connectors.Misconfigured(errors.New("bad")),
	} {
		backend := &scripted{name: "corp", outcome: outcome}
		store := &mapCache{values: map[string][]byte{}}
		c := connectors.Cached(backend, options(store))
		c.Authenticate(t.Context(), credential("alice", "x"))
		c.Authenticate(t.Context(), credential("alice", "x"))
		if backend.asked != 2 || len(store.values) != 0 {
			t.Errorf("%s: asked %d times, %d values kept", outcome, backend.asked, len(store.values))
		}
	}
}

func TestCachedBrokenCacheNeverFailsALogin(t *testing.T) {
	backend := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	c := connectors.Cached(backend, options(&mapCache{err: errors.New("redis: connection refused")}))
	for range 2 {
		if got := c.Authenticate(t.Context(), credential("alice", "x")); got.Kind() != connectors.KindGranted {
			t.Errorf("got %s", got)
		}
	}
	if backend.asked != 2 {
		t.Errorf("asked %d times", backend.asked)
	}
}

func TestCachedIgnoresValuesItCannotRead(t *testing.T) {
	backend := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
	store := &mapCache{values: map[string][]byte{}}
	c := connectors.Cached(backend, options(store))
	c.Authenticate(t.Context(), credential("alice", "x"))
	for key := range store.values {
		store.values[key] = []byte("{")
	}
	if got := c.Authenticate(t.Context(), credential("alice", "x")); got.Identity().Name != "alice" || backend.asked != 2 {
		t.Errorf("got %s, asked %d times", got, backend.asked)
	}
}

func TestCachedForgetsWithTheGeneration(t *testing.T) {
	backend := &versioned{scripted{name: "local", outcome: connectors.Granted(person("local", "alice"))}, "1"}
	c := connectors.Cached(backend, options(&mapCache{values: map[string][]byte{}}))
	c.Authenticate(t.Context(), credential("alice", "old"))
	backend.generation = "2"
	backend.outcome = connectors.Denied(connectors.WrongPassword)
	if got := c.Authenticate(t.Context(), credential("alice", "old")); got.Kind() != connectors.KindDenied {
		t.Errorf("a password from before the reload: got %s", got)
	}
}

func TestCachedKeepsTheAbilityToLookUp(t *testing.T) {
	if _, ok := connectors.Cached(&versioned{}, options(&mapCache{})).(connectors.Looker); !ok {
		t.Error("Looker is lost")
	}
	if _, ok := connectors.Cached(&scripted{}, options(&mapCache{})).(connectors.Looker); ok {
		t.Error("Looker appears from nowhere")
	}
	off := options(&mapCache{})
	off.TTL = 0
	backend := &scripted{}
	if connectors.Cached(backend, off) != connectors.Connector(backend) {
		t.Error("a ttl of zero does not turn the cache off")
	}
}
