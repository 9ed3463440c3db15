package faults

import (
	"maps"
	"net/http"
	"testing"

	"drawbridge/e2e/testbed"
)

// cached is the caches in Redis, and the limits off.
func cached(redis *testbed.Redis) string {
	return "\ncache: { redis_url: \"" + redis.URL() + "\" }\nlimits: { login_failures_per_minute: 0 }\n"
}

// onlyRight fails the test unless every login was answered as if nothing had
// happened: a cache that is away costs time and no login.
func onlyRight(t *testing.T, statuses map[string]int) {
	t.Helper()
	t.Logf("%v", statuses)
	for _, may := range []string{"right 200", "wrong 401", "other's 401"} {
		delete(statuses, may)
	}
	for status := range maps.Keys(statuses) {
		t.Errorf("%q, though only Redis was away", status)
	}
}

// TestRedisAway: Redis is killed, comes back empty, hangs and goes on while
// people log in.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := serve(t, cached(redis), corp(directory, []string{directory.URL()}))
	w.healthy("before")
	l := start(t, w, 8, 0)
	phase := func() {
		t.Helper()
		l.await(60, "right", http.StatusOK)
		l.await(15, "wrong", http.StatusUnauthorized)
	}
	stored := func(what string) {
		t.Helper()
		w.Await(what+": Redis is used", func() bool { return redis.CLI("DBSIZE") != "0" })
	}
	phase()
	stored("before")
	for range 3 {
		redis.Kill()
		phase()
		redis.Restart()
		phase()
		stored("restarted empty")
		redis.Pause()
		phase()
		redis.Resume()
		phase()
		redis.CLI("FLUSHALL")
		stored("paused and emptied")
	}
	onlyRight(t, l.stop())
	w.healthy("after")
}

// TestRedisAwayAtTheStart: a Redis that is dead or hangs stops no start.
func TestRedisAwayAtTheStart(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	for name, fault := range map[string]struct{ fail, mend func(*testbed.Redis) }{
		"dead":  {(*testbed.Redis).Kill, (*testbed.Redis).Restart},
		"hangs": {(*testbed.Redis).Pause, (*testbed.Redis).Resume},
	} {
		redis := testbed.StartRedis(t, testbed.RedisOptions{})
		fault.fail(redis)
		w := serve(t, cached(redis), corp(directory, []string{directory.URL()}))
		w.healthy(name)
		w.local(name)
		fault.mend(redis)
		w.Await("Redis is used", func() bool {
			w.healthy(name + " before")
			return redis.CLI("DBSIZE") != "0"
		})
	}
}

// TestRedisAndDirectoryAway: what only the cache knows is gone with it, and the
// answer is still no refusal.
func TestRedisAndDirectoryAway(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := serve(t, cached(redis), corp(directory, []string{directory.URL()}))
	w.healthy("before")
	redis.Pause()
	directory.Kill()
	w.expect("both are away", "carol", testbed.SeedPassword("carol"), true, http.StatusServiceUnavailable)
	w.expect("both are away", "bob", "pw-wrong-too", false, http.StatusServiceUnavailable)
	w.local("both are away")
	redis.Resume()
	directory.Start()
	w.recovers("both were away")
}
