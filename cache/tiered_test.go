package cache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/cache/conformance"
)

func TestTieredConformance(t *testing.T) {
	conformance.Run(t, func(t testing.TB) cache.Cache {
		local, shared := cache.NewMemory(0, nil), cache.NewMemory(0, nil)
		t.Cleanup(func() { _, _ = local.Close(), shared.Close() })
		return cache.Tiered(local, shared, 5*time.Second, time.Minute)
	})
}

// broken is a shared cache that does not answer.
type broken struct{ cache.Cache }

func (broken) Get(context.Context, string) ([]byte, bool, error) {
	return nil, false, errors.New("down")
}

func (broken) Set(context.Context, string, []byte, time.Duration) error { return errors.New("down") }

func TestTieredRemembersAloneForAWhile(t *testing.T) {
	var passed atomic.Int64 // since the start; the cache reads the clock in the background too
	local := cache.NewMemory(0, func() time.Time { return time.Unix(1_800_000_000, passed.Load()) })
	defer func() { _ = local.Close() }()
	c := cache.Tiered(local, broken{}, 5*time.Second, time.Minute)
	if err := c.Set(t.Context(), "k", []byte("v"), time.Hour); err == nil {
		t.Error("the failure of the shared cache is not reported")
	}
	if v, ok, err := c.Get(t.Context(), "k"); !ok || err != nil || string(v) != "v" {
		t.Errorf("got %q, %v, %v", v, ok, err)
	}
	passed.Add(int64(59 * time.Second))
	if v, ok, err := c.Get(t.Context(), "k"); !ok || err != nil || string(v) != "v" {
		t.Errorf("while the shared cache is down: got %q, %v, %v", v, ok, err)
	}
	passed.Add(int64(2 * time.Second))
	if _, ok, err := c.Get(t.Context(), "k"); ok || err == nil {
		t.Errorf("after its time: got %v, %v", ok, err)
	}
}

func TestTieredSeesWhatOthersChange(t *testing.T) {
	var passed atomic.Int64 // since the start; the cache reads the clock in the background too
	local := cache.NewMemory(0, func() time.Time { return time.Unix(1_800_000_000, passed.Load()) })
	shared := cache.NewMemory(0, nil)
	defer func() { _, _ = local.Close(), shared.Close() }()
	c := cache.Tiered(local, shared, 5*time.Second, time.Minute)
	for _, value := range []string{"one", "two"} {
		if err := shared.Set(t.Context(), "k", []byte(value), time.Hour); err != nil {
			t.Fatal(err)
		}
		if v, ok, err := c.Get(t.Context(), "k"); !ok || err != nil || string(v) != value {
			t.Errorf("got %q, %v, %v, want %q", v, ok, err, value)
		}
		passed.Add(int64(6 * time.Second))
	}
}
