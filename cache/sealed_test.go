package cache_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"drawbridge/cache"
)

// open is a cache whose content the test can read and change, as somebody with
// access to a shared Redis can.
type open map[string][]byte

func (o open) Get(_ context.Context, key string) ([]byte, bool, error) {
	v, ok := o[key]
	return v, ok, nil
}

func (o open) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	o[key] = value
	return nil
}

func (o open) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		delete(o, key)
	}
	return nil
}

func seal(t *testing.T, inner cache.Cache, secret string, clock func() time.Time) cache.Cache {
	t.Helper()
	sealed, err := cache.Sealed(inner, []byte(strings.Repeat(secret, 32)), clock)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedShowsAndAcceptsNothing(t *testing.T) {
	inner := open{}
	now := time.Unix(1_800_000_000, 0)
	c := seal(t, inner, "s", func() time.Time { return now })
	ctx := t.Context()
	if err := c.Set(ctx, "alice", []byte("groups: dev"), time.Minute); err != nil {
		t.Fatal(err)
	}
	for name, value := range inner {
		if strings.Contains(name, "alice") || bytes.Contains(value, []byte("dev")) {
			t.Errorf("the inner cache shows %q = %q", name, value)
		}
	}
	if got, ok, err := c.Get(ctx, "alice"); !ok || err != nil || string(got) != "groups: dev" {
		t.Fatalf("got %q, %v, %v", got, ok, err)
	}

	t.Run("a value moved to another key", func(t *testing.T) {
		if err := c.Set(ctx, "admin", []byte("groups: admins"), time.Minute); err != nil {
			t.Fatal(err)
		}
		swapped := open{}
		names := make([]string, 0, 2)
		for name := range inner {
			names = append(names, name)
		}
		swapped[names[0]], swapped[names[1]] = inner[names[1]], inner[names[0]]
		s := seal(t, swapped, "s", func() time.Time { return now })
		if _, ok, err := s.Get(ctx, "alice"); ok || !errors.Is(err, cache.ErrForged) {
			t.Errorf("got %v, %v", ok, err)
		}
	})
	t.Run("a value changed by one bit", func(t *testing.T) {
		changed := open{}
		for name, value := range inner {
			changed[name] = bytes.Clone(value)
			changed[name][len(value)-1] ^= 1
		}
		s := seal(t, changed, "s", func() time.Time { return now })
		if _, ok, err := s.Get(ctx, "alice"); ok || !errors.Is(err, cache.ErrForged) {
			t.Errorf("got %v, %v", ok, err)
		}
	})
	t.Run("another secret finds nothing", func(t *testing.T) {
		s := seal(t, inner, "x", func() time.Time { return now })
		if _, ok, _ := s.Get(ctx, "alice"); ok {
			t.Error("found")
		}
	})
	t.Run("a value kept past its time", func(t *testing.T) {
		now = now.Add(time.Minute)
		if _, ok, err := c.Get(ctx, "alice"); ok || err != nil {
			t.Errorf("got %v, %v", ok, err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		if err := c.Delete(ctx, "alice", "admin"); err != nil || len(inner) != 0 {
			t.Errorf("%v, %d left", err, len(inner))
		}
	})
}

func TestSealedRefusesAShortSecret(t *testing.T) {
	if _, err := cache.Sealed(open{}, make([]byte, 31), time.Now); err == nil {
		t.Error("31 bytes are accepted")
	}
}
