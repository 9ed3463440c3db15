package cache_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/identity"
	"drawbridge/tracing/tracingtest"
)

// What is said about Redis is tested on real servers, in e2e/cache. These tests
// are about a Redis that is not there.

func newRedis(t testing.TB, url string, log *slog.Logger) *cache.Redis {
	t.Helper()
	opts, err := cache.ParseRedisURL(identity.NewSecret(url))
	if err != nil {
		t.Fatal(err)
	}
	opts.Log = log
	r, err := cache.NewRedis(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// waitFor waits until what is said is so.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited too long until %s", what)
		case <-tick.C:
		}
	}
}

// syncBuffer is a log that is written and read at the same time.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestRedisRefusedConnection(t *testing.T) {
	for _, query := range []string{"", "?master_name=m", "?cluster=true"} {
		t.Run(query, func(t *testing.T) {
			var buf syncBuffer
			r := newRedis(t, "redis://u:hunter2@"+closedPort(t)+query, slog.New(slog.NewTextHandler(&buf, nil)))
			waitFor(t, "the first probe failed", func() bool { return !r.Healthy() })
			for range 1000 {
				if _, ok, err := r.Get(t.Context(), "k"); ok || !errors.Is(err, cache.ErrDown) {
					t.Fatalf("got %v, %v; want ErrDown", ok, err)
				}
			}
			if err := r.Set(t.Context(), "k", nil, time.Minute); !errors.Is(err, cache.ErrDown) {
				t.Errorf("set: %v", err)
			}
			if err := r.Delete(t.Context(), "k", "l"); !errors.Is(err, cache.ErrDown) {
				t.Errorf("delete: %v", err)
			}
			if s := r.Stats(); s.Skipped != 1002 || s.Trips != 1 {
				t.Errorf("stats %+v", s)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if n := strings.Count(buf.String(), "redis is down"); n != 1 {
				t.Errorf("%d log lines say that Redis is down, want 1:\n%s", n, buf.String())
			}
			if strings.Contains(buf.String(), "hunter2") {
				t.Errorf("the password is in the log:\n%s", buf.String())
			}
		})
	}
}

// A host that drops packets, or a process that hangs: connections are accepted
// and nothing is ever answered.
func TestRedisSilentServer(t *testing.T) {
	r := newRedis(t, "redis://"+silentServer(t), nil)
	// Operations come while the breaker does not know yet: all fail, none hangs.
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, ok, err := r.Get(t.Context(), "k"); ok || err == nil {
				t.Errorf("got %v, %v from a server that says nothing", ok, err)
			}
		})
	}
	wg.Wait()
	if r.Healthy() {
		t.Error("50 operations timed out and Redis counts as healthy")
	}
	before := r.Stats().Errors
	for range 100 {
		if _, _, err := r.Get(t.Context(), "k"); !errors.Is(err, cache.ErrDown) {
			t.Fatalf("got %v, want ErrDown", err)
		}
	}
	if after := r.Stats().Errors; after != before {
		t.Errorf("%d operations touched the network while Redis was down", after-before)
	}
}

// silentServer accepts connections and never answers.
func silentServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var held []net.Conn
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range held {
			_ = c.Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, c)
			mu.Unlock()
		}
	}()
	return l.Addr().String()
}

// Callers that give up must not make a healthy Redis count as down: else a
// client that hangs up quickly enough could switch the cache off for all.
func TestRedisCallersThatGiveUp(t *testing.T) {
	r := newRedis(t, "redis://"+silentServer(t), nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, _, err := r.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, cache.ErrDown) {
				t.Errorf("got %v, want the caller's own deadline", err)
			}
		})
	}
	wg.Wait()
	if n := r.Stats().Errors; n != 0 {
		t.Errorf("%d operations that their callers gave up count against Redis", n)
	}
}

func TestRedisClosed(t *testing.T) {
	r := newRedis(t, "redis://"+closedPort(t), nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.Get(t.Context(), "k"); ok || err == nil {
		t.Errorf("got %v, %v after Close", ok, err)
	}
}

func TestNewRedisRefusesOptions(t *testing.T) {
	for name, opts := range map[string]cache.RedisOptions{
		"no address":         {},
		"several and single": {Addrs: []string{"a:1", "b:1"}},
		"both modes":         {Addrs: []string{"a:1"}, Cluster: true, MasterName: "m"},
	} {
		if r, err := cache.NewRedis(opts); err == nil {
			t.Errorf("%s is accepted", name)
			_ = r.Close()
		}
	}
}

// Each command is a span, also one that fails; while Redis is left alone there is none. No
// key is in it.
func TestCommandsAreTraced(t *testing.T) {
	got := ""
	for range 100 {
		if got != "" {
			break
		}
		// It may be found away and left alone before it is asked: then there is no command.
		r := newRedis(t, "redis://127.0.0.1:1", nil)
		got = tracingtest.Traced(t.Context(), func(ctx context.Context) {
			if _, _, err := r.Get(ctx, "hunter2"); err == nil {
				t.Error("a Redis that is not there answers")
			}
			waitFor(t, "it is left alone", func() bool { return r.Delete(ctx, "hunter2") != nil && !r.Healthy() })
			if err := r.Set(ctx, "hunter2", nil, time.Minute); !errors.Is(err, cache.ErrDown) {
				t.Errorf("set: %v", err)
			}
		})
	}
	const want = "  redis get! db.system.name=redis drawbridge.outcome=failed error.type=failed\n"
	if !strings.HasPrefix(got, want) || strings.Contains(got, "hunter2") || strings.Contains(got, "redis set") {
		t.Errorf("got\n%s", got)
	}
}
