package conformance

import (
	"bytes"
	"context"
	"testing"
	"time"

	"drawbridge/cache"
)

// Run tests one implementation. It calls open once per test; the cache may hold
// what earlier tests left, since every test uses keys of its own. open registers
// its own cleaning up with t.Cleanup.
func Run(t *testing.T, open func(t testing.TB) cache.Cache) {
	t.Helper()
	for _, tt := range []struct {
		name string
		test func(t *testing.T, c cache.Cache)
	}{
		{"get of an unknown key", testUnknown},
		{"set, get, delete", testSetGetDelete},
		{"overwrite", testOverwrite},
		{"a value expires", testExpiry},
		{"overwriting restarts the ttl", testOverwriteTTL},
		{"a ttl of zero or less stores nothing", testNoTTL},
		{"extreme ttls", testExtremeTTL},
		{"keys are bytes", testKeys},
		{"values are bytes", testValues},
		{"big values", testBig},
		{"delete of many keys", testDeleteMany},
		{"values are isolated", testIsolation},
		{"an ended context", testContext},
		{"concurrent use", testConcurrent},
		{"concurrent use of one key", testOneKey},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// ttl is longer than any test runs.
const ttl = time.Minute

// key returns a key that no other test uses.
func key(t testing.TB, name string) string { return t.Name() + "\x00" + name }

// patience bounds what should happen soon, on however busy a machine.
const patience = 30 * time.Second

func set(t testing.TB, c cache.Cache, key, value string, ttl time.Duration) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), ttl); err != nil {
		t.Fatalf("set %q: %v", key, err)
	}
}

func get(t testing.TB, c cache.Cache, key string) ([]byte, bool) {
	t.Helper()
	value, ok, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return value, ok
}

func wantValue(t testing.TB, c cache.Cache, key, want string) {
	t.Helper()
	value, ok := get(t, c, key)
	if !ok || !bytes.Equal(value, []byte(want)) {
		t.Errorf("get %.40q: got %d bytes %.40q, %v; want %d bytes %.40q", key, len(value), value, ok, len(want), want)
	}
}

func wantNone(t testing.TB, c cache.Cache, key string) {
	t.Helper()
	if value, ok := get(t, c, key); ok {
		t.Errorf("get %.40q: got %.40q, want nothing", key, value)
	}
}

// waitNone waits until the key is gone.
func waitNone(t testing.TB, c cache.Cache, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, ok := get(t, c, key); !ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%q is still there after %v", key, patience)
		case <-tick.C:
		}
	}
}
