package cache_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/cache/conformance"
)

func TestMemoryRateConformance(t *testing.T) {
	conformance.RunRate(t, func(_ testing.TB, limit cache.RateLimit) [2]cache.Rate {
		r := cache.NewMemoryRate(limit, nil)
		return [2]cache.Rate{r, r}
	})
}

// A pause gives back what time has earned, and never more than the burst.
func TestMemoryRateRefills(t *testing.T) {
	clock := newFakeClock()
	r := cache.NewMemoryRate(cache.RateLimit{PerSecond: 2, Burst: 3}, clock.now)
	allow := func(when string, want ...time.Duration) {
		t.Helper()
		for i, wait := range want {
			if got, err := r.Allow(t.Context(), "k"); err != nil || got != wait {
				t.Errorf("%s, number %d: wait %s, %v; want %s", when, i+1, got, err, wait)
			}
		}
	}
	allow("a burst", 0, 0, 0, 500*time.Millisecond, 500*time.Millisecond)
	clock.advance(200 * time.Millisecond)
	allow("a little later", 300*time.Millisecond)
	clock.advance(800 * time.Millisecond)
	allow("a second later", 0, 0, 500*time.Millisecond)
	clock.advance(time.Hour)
	allow("an hour later", 0, 0, 0, 500*time.Millisecond)
}

// A flood of addresses does not fill the memory, and those that come again and
// again stay limited.
func TestMemoryRateIsBounded(t *testing.T) {
	clock := newFakeClock()
	r := cache.NewMemoryRate(cache.RateLimit{PerSecond: 1, Burst: 1}, clock.now)
	for i := range 300_000 {
		if _, err := r.Allow(t.Context(), strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.Keys(); n > 100_000 {
		t.Errorf("%d keys are remembered", n)
	}
	clock.advance(time.Minute)
	for i := range 100_000 {
		if _, err := r.Allow(t.Context(), "new "+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.Keys(); n > 100_000 {
		t.Errorf("%d keys are remembered", n)
	}
}

// fixed answers what it holds, and counts.
type fixed struct {
	wait  time.Duration
	err   error
	asked int
}

func (f *fixed) Allow(context.Context, string) (time.Duration, error) {
	f.asked++
	return f.wait, f.err
}

func TestTieredRate(t *testing.T) {
	for _, tt := range []struct {
		name          string
		local, shared fixed
		want          time.Duration
		asked         int
	}{
		{"both allow", fixed{}, fixed{}, 0, 1},
		{"the replicas together do not", fixed{}, fixed{wait: time.Second}, time.Second, 1},
		{"this process does not: nobody else is asked", fixed{wait: time.Minute}, fixed{}, time.Minute, 0},
		{"Redis is down", fixed{}, fixed{wait: time.Second, err: cache.ErrDown}, 0, 1},
	} {
		r := cache.NewTieredRate(&tt.local, &tt.shared, slog.New(slog.DiscardHandler))
		if wait, err := r.Allow(t.Context(), "k"); err != nil || wait != tt.want {
			t.Errorf("%s: wait %s, %v; want %s", tt.name, wait, err, tt.want)
		}
		if tt.shared.asked != tt.asked {
			t.Errorf("%s: shared asked %d times", tt.name, tt.shared.asked)
		}
	}
}
