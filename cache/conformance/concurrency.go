package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"drawbridge/cache"
)

func testContext(t *testing.T, c cache.Cache) {
	k := key(t, "k")
	set(t, c, k, "v", ttl)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for want, ctx := range map[error]context.Context{
		context.Canceled: cancelled, context.DeadlineExceeded: expired,
	} {
		if _, ok, err := c.Get(ctx, k); ok || !errors.Is(err, want) {
			t.Errorf("get: got %v, %v; want %v", ok, err, want)
		}
		if err := c.Set(ctx, k, []byte("late"), ttl); !errors.Is(err, want) {
			t.Errorf("set: got %v, want %v", err, want)
		}
		if err := c.Delete(ctx, k); !errors.Is(err, want) {
			t.Errorf("delete: got %v, want %v", err, want)
		}
	}
	// Callers that give up say nothing about the cache: it still answers, with
	// what it held.
	for range 20 {
		_, _, _ = c.Get(cancelled, k)
	}
	wantValue(t, c, k, "v")
}

// testConcurrent gives each worker keys of its own and checks what it reads.
func testConcurrent(t *testing.T, c cache.Cache) {
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				k := key(t, fmt.Sprint(worker, i%5))
				v := fmt.Sprint(worker, "-", i)
				if err := c.Set(t.Context(), k, []byte(v), ttl); err != nil {
					t.Errorf("set: %v", err)
					return
				}
				got, ok, err := c.Get(t.Context(), k)
				if err != nil || !ok || string(got) != v {
					t.Errorf("get: got %q, %v, %v; want %q", got, ok, err, v)
					return
				}
				if i%7 != 0 {
					continue
				}
				if err := c.Delete(t.Context(), k); err != nil {
					t.Errorf("delete: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// testOneKey lets many workers write one key: a reader sees one of the values
// whole, or none, never a mixture.
func testOneKey(t *testing.T, c cache.Cache) {
	const size = 8 << 10
	k := key(t, "k")
	var wg sync.WaitGroup
	for worker, letter := range []byte("abcdef") {
		wg.Go(func() {
			mine := bytes.Repeat([]byte{letter}, size)
			for range 30 {
				if err := c.Set(t.Context(), k, mine, ttl); err != nil {
					t.Errorf("set: %v", err)
					return
				}
				got, ok, err := c.Get(t.Context(), k)
				if err != nil {
					t.Errorf("get: %v", err)
					return
				}
				if ok && (len(got) != size || !bytes.Equal(got, bytes.Repeat(got[:1], size))) {
					t.Errorf("a mixed value of %d bytes", len(got))
					return
				}
				if worker == 0 {
					_ = c.Delete(t.Context(), k)
				}
			}
		})
	}
	wg.Wait()
}
