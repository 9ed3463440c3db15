package cache_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/e2e/testbed"
)

// put stores the value and reports whether it can be read back.
func put(t testing.TB, c *cache.Redis, key, value string) bool {
	t.Helper()
	if c.Set(t.Context(), key, []byte(value), time.Minute) != nil {
		return false
	}
	got, ok, err := c.Get(t.Context(), key)
	return err == nil && ok && string(got) == value
}

// logged checks that the log says it so often, and holds no password.
func logged(t testing.TB, log *logBuffer, text string, times int) {
	t.Helper()
	if n := strings.Count(log.String(), text); n != times {
		t.Errorf("%q is logged %d times, want %d:\n%s", text, n, times, log.String())
	}
	for _, secret := range []string{password, "battery", "group-secret", "sentinel-secret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the password is in the log:\n%s", log.String())
		}
	}
}

func TestKilledAndRestartedEmpty(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	var log logBuffer
	c := open(t, server.URL(), "", 0, slog.New(slog.NewTextHandler(&log, nil)))
	eventually(t, "a value arrives", func() bool { return put(t, c, "k", "before") })

	server.Kill()
	eventually(t, "the cache notices", func() bool {
		_, ok, err := c.Get(t.Context(), "k")
		if ok {
			t.Fatal("a value came from a server that is dead")
		}
		return errors.Is(err, cache.ErrDown)
	})
	if c.Healthy() {
		t.Error("healthy while Redis is dead")
	}

	server.Restart()
	eventually(t, "the cache is used again by itself", c.Healthy)
	if _, ok, err := c.Get(t.Context(), "k"); ok || err != nil {
		t.Errorf("after a restart: got %v, %v; want a plain miss", ok, err)
	}
	eventually(t, "a value arrives again", func() bool { return put(t, c, "k", "after") })
	logged(t, &log, "redis is down", 1)
	logged(t, &log, "redis answers again", 1)
}

// A Redis that hangs costs one timeout in all: not one per login, nor per
// operation of a login.
func TestPaused(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	var log logBuffer
	c := open(t, server.URL(), "", 0, slog.New(slog.NewTextHandler(&log, nil)))
	eventually(t, "a value arrives", func() bool { return put(t, c, "k", "v") })
	before := c.Stats()

	server.Pause()
	for range 200 {
		if _, ok, err := c.Get(t.Context(), "k"); ok || err == nil {
			t.Fatalf("got %v, %v from a server that hangs", ok, err)
		}
		if err := c.Set(t.Context(), "k", nil, time.Minute); !errors.Is(err, cache.ErrDown) {
			t.Fatalf("the second operation after a timeout: %v", err)
		}
	}
	after := c.Stats()
	if timeouts := after.Errors - before.Errors; timeouts != 1 {
		t.Errorf("%d operations waited for a server that hangs, want 1", timeouts)
	}
	if skipped := after.Skipped - before.Skipped; skipped != 399 {
		t.Errorf("%d operations failed at once, want 399", skipped)
	}

	server.Resume()
	eventually(t, "the cache is used again by itself", c.Healthy)
	wantValue(t, c, "k", "v")
	logged(t, &log, "redis is down", 1)
	logged(t, &log, "redis answers again", 1)
}

func wantValue(t testing.TB, c *cache.Redis, key, want string) {
	t.Helper()
	eventually(t, "the value is there", func() bool {
		got, ok, err := c.Get(t.Context(), key)
		return err == nil && ok && string(got) == want
	})
}

// Many logins at once meet a Redis that hangs: each waits once at most, and the
// probes go on while logins come in.
func TestPausedUnderLoad(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	c := open(t, server.URL(), "", 0, nil)
	eventually(t, "a value arrives", func() bool { return put(t, c, "k", "v") })
	const logins = 64
	server.Pause()
	var wg sync.WaitGroup
	for range logins {
		wg.Go(func() {
			failures := 0
			for range 50 {
				if _, _, err := c.Get(t.Context(), "k"); err != nil && !errors.Is(err, cache.ErrDown) {
					failures++
				}
			}
			if failures > 1 {
				t.Errorf("one login waited %d times", failures)
			}
		})
	}
	wg.Wait()
	server.Resume()
	eventually(t, "the cache is used again by itself", c.Healthy)
	wantValue(t, c, "k", "v")
}

func TestDownAtTheStart(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	server.Kill()
	c := open(t, server.URL(), "", 0, nil)
	eventually(t, "the cache notices", func() bool { return !c.Healthy() })
	server.Restart()
	eventually(t, "a value arrives", func() bool { return put(t, c, "k", "v") })
}

func TestWrongPasswordUntilItIsRight(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{Password: "another one"})
	var log logBuffer
	url := strings.Replace(server.URL(), "another%20one", "correct%20horse%2Fbattery%40staple", 1)
	c := open(t, url, "", 0, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	eventually(t, "the cache notices", func() bool { return !c.Healthy() })
	if _, _, err := c.Get(t.Context(), "k"); !errors.Is(err, cache.ErrDown) {
		t.Errorf("got %v, want ErrDown", err)
	}
	server.CLI("CONFIG", "SET", "requirepass", password)
	eventually(t, "a value arrives", func() bool { return put(t, c, "k", "v") })
	logged(t, &log, "WRONGPASS", 1)
}

func TestTLSFailsClosed(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{TLS: true, Password: password})
	other := testbed.StartRedis(t, testbed.RedisOptions{TLS: true})
	for name, tt := range map[string]struct{ url, caFile string }{
		"an authority that is not trusted": {server.URL(), ""},
		"another authority":                {server.URL(), other.CAFile},
		"a name the certificate has not":   {strings.Replace(server.URL(), "127.0.0.1", "127.0.0.2", 1), server.CAFile},
		"no TLS":                           {strings.Replace(server.URL(), "rediss://", "redis://", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, tt.url, tt.caFile, 0, nil)
			eventually(t, "the cache notices", func() bool { return !c.Healthy() })
			if err := c.Set(t.Context(), "k", []byte("v"), time.Minute); err == nil {
				t.Error("a value was sent")
			}
		})
	}
	if got := server.CLI("DBSIZE"); got != "0" {
		t.Errorf("the server holds %s keys", got)
	}
}

// A Redis that is full refuses writes and answers reads: the cache stays in use.
func TestOutOfMemory(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	var log logBuffer
	c := open(t, server.URL(), "", 0, slog.New(slog.NewTextHandler(&log, nil)))
	eventually(t, "a value arrives", func() bool { return put(t, c, "k", "v") })
	server.CLI("CONFIG", "SET", "maxmemory", "1")
	for range 20 {
		if err := c.Set(t.Context(), "k", []byte("other"), time.Minute); err == nil {
			t.Fatal("a full Redis stored a value")
		}
	}
	wantValue(t, c, "k", "v")
	logged(t, &log, "redis refuses commands", 1)
	logged(t, &log, "redis is down", 0)
}

func TestSentinelFailover(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(*testbed.Redis)
	}{
		{"the master is killed", (*testbed.Redis).Kill},
		{"the master hangs", (*testbed.Redis).Pause},
	} {
		t.Run(tt.name, func(t *testing.T) {
			group := testbed.StartRedisSentinel(t)
			var log logBuffer
			c := open(t, group.URL(), "", 0, slog.New(slog.NewTextHandler(&log, nil)))
			eventually(t, "a value arrives", func() bool { return put(t, c, "k", "old master") })
			old := group.Master()
			tt.fail(old)
			eventually(t, "the new master is used", func() bool { return put(t, c, "k", "new master") })
			master := group.Master()
			if master == old {
				t.Fatal("the sentinel changed nothing")
			}
			if got := master.CLI("GET", "drawbridge:k"); got != "new master" {
				t.Errorf("the new master holds %q", got)
			}
			logged(t, &log, "msg=\"redis is down", strings.Count(log.String(), "redis answers again"))
		})
	}
}

// A Cluster that lost a master refuses every key, and answers PING. The breaker
// stays open until the cluster serves the key that failed.
func TestClusterLosesAMaster(t *testing.T) {
	cluster := testbed.StartRedisCluster(t)
	c := open(t, cluster.URL(), "", 0, nil)
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	usable := func() bool {
		for _, k := range keys {
			if !put(t, c, k, "v") {
				return false
			}
		}
		return true
	}
	eventually(t, "values arrive on every node", usable)
	for _, node := range cluster.Nodes {
		if node.CLI("DBSIZE") == "0" {
			t.Error("the keys of this test are not on every node: it proves nothing")
		}
	}
	lives, lost := cluster.Nodes[0], cluster.Nodes[1]
	onLives := strings.TrimPrefix(lives.CLI("RANDOMKEY"), "drawbridge:")
	lost.Kill()
	eventually(t, "the cluster is down", func() bool {
		return strings.Contains(lives.CLI("cluster", "info"), "cluster_state:fail")
	})
	eventually(t, "the cache notices", func() bool {
		_, _, err := c.Get(t.Context(), onLives)
		return errors.Is(err, cache.ErrDown)
	})
	refused := clusterDownReplies(t, lives)
	eventually(t, "probes were refused", func() bool {
		if c.Healthy() {
			t.Fatal("the cache counts as healthy while the cluster refuses every key")
		}
		return clusterDownReplies(t, lives) >= refused+8
	})
	lost.Restart()
	eventually(t, "values arrive on every node again", usable)
}

// clusterDownReplies returns how often the node refused a command because the
// cluster is down.
func clusterDownReplies(t testing.TB, node *testbed.Redis) int {
	t.Helper()
	_, count, _ := strings.Cut(node.CLI("info", "errorstats"), "errorstat_CLUSTERDOWN:count=")
	n, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(count+"\n", "\n", 2)[0]))
	if err != nil {
		return 0
	}
	return n
}

// A caller whose context ends does not wait for a Redis that hangs.
func TestCallerGivesUp(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	c := open(t, server.URL(), "", patient, nil)
	eventually(t, "a value arrives", func() bool { return put(t, c, "k", "v") })
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := c.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the caller's deadline", err)
	}
	if !c.Healthy() || c.Stats().Errors != 0 {
		t.Errorf("a caller that gave up counts against Redis: %+v", c.Stats())
	}
	server.Resume()
	wantValue(t, c, "k", "v")
}
