package conformance

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/cache"
)

// OpenRate returns a rate as two replicas see it. In a process it is the same one
// twice.
type OpenRate func(t testing.TB, limit cache.RateLimit) [2]cache.Rate

// seldom is so slow that nothing becomes due while a test runs.
func seldom(burst int) cache.RateLimit { return cache.RateLimit{PerSecond: 1.0 / 600, Burst: burst} }

// RunRate tests one implementation of [cache.Rate]. Each test has a key of its own, so
// that all may run on one server.
func RunRate(t *testing.T, open OpenRate) {
	t.Helper()
	for _, tt := range []struct {
		name string
		test func(t *testing.T, open OpenRate)
	}{
		{"allows a burst and then tells how long to wait", testRateBurst},
		{"keys do not touch each other", testRateKeys},
		{"allows again", testRateAgain},
		{"holds for what comes at once", testRateAtOnce},
		{"an ended context", testRateContext},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

// allow asks, and fails the test on an error.
func allow(t *testing.T, r cache.Rate, key string) time.Duration {
	t.Helper()
	wait, err := r.Allow(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return wait
}

func testRateBurst(t *testing.T, open OpenRate) {
	replicas := open(t, seldom(4))
	for i := range 4 {
		if wait := allow(t, replicas[i%2], t.Name()); wait != 0 {
			t.Errorf("the %d. of a burst of 4 waits %s", i+1, wait)
		}
	}
	for _, r := range replicas { // refusals do not count
		for range 5 {
			if wait := allow(t, r, t.Name()); wait <= 9*time.Minute || wait > 10*time.Minute {
				t.Errorf("the next one waits %s, want up to 10m", wait)
			}
		}
	}
}

func testRateKeys(t *testing.T, open OpenRate) {
	r := open(t, seldom(1))[0]
	for _, key := range []string{"a", "b", "a b", "", "\x00\xff", "192.0.2.1"} {
		key = t.Name() + key
		if wait := allow(t, r, key); wait != 0 {
			t.Errorf("%q waits %s", key, wait)
		}
		if allow(t, r, key) == 0 {
			t.Errorf("%q is allowed twice", key)
		}
	}
}

func testRateAgain(t *testing.T, open OpenRate) {
	r := open(t, cache.RateLimit{PerSecond: 50, Burst: 1})[0]
	allowed := 0
	for deadline := time.Now().Add(20 * time.Second); allowed < 3; {
		wait := allow(t, r, t.Name())
		if wait == 0 {
			allowed++
		} else if wait > 20*time.Millisecond {
			t.Fatalf("waits %s, want at most 20ms", wait)
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not allowed again")
		}
		time.Sleep(wait)
	}
}

func testRateAtOnce(t *testing.T, open OpenRate) {
	replicas := open(t, seldom(10))
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if wait, err := replicas[i%2].Allow(t.Context(), t.Name()); err == nil && wait == 0 {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 10 {
		t.Errorf("%d of 40 at once are allowed, want 10", n)
	}
}

func testRateContext(t *testing.T, open OpenRate) {
	r := open(t, seldom(1))[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Allow(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
