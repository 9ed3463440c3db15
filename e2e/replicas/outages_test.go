package replicas

import (
	"net/http"
	"testing"

	"drawbridge/e2e/testbed"
)

// PostgreSQL is killed, restarted and stopped while people ask for tokens and an
// administrator writes: tokens are issued all the time, for refresh tokens unless
// nobody can tell whether they were revoked; each write is either done or refused
// with 503, and nothing that was acknowledged is lost.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := start(t, parts{redisURL: redis.URL()})
	l, wr := ask(w, w.URL, append(passwords(), refreshes(w, true))...), write(w)
	for range 3 {
		for _, fail := range []func(){w.postgres.Kill, w.postgres.Stop} {
			wr.await("writes are acknowledged", 4, 0)
			fail()
			wr.await("writes are refused", 0, 2)
			l.await(20)
			w.postgres.Restart()
		}
	}
	wr.await("writes are acknowledged", 4, 0)
	l.end()
	wr.end()
	wr.kept(t)
}

// Redis and PostgreSQL are both gone: whoever has a password gets tokens, also
// people whom nothing remembers, and both are used again when they are back.
func TestRedisAndPostgresAway(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := start(t, parts{redisURL: redis.URL()})
	l := ask(w, w.URL, passwords()...)
	l.await(10)
	redis.Kill()
	w.postgres.Kill()
	l.await(30)
	newcomer(t, w, "carol")
	redis.Restart()
	w.postgres.Restart()
	used(w, redis)
	wr := write(w)
	wr.await("writes are acknowledged", 4, 0)
	l.end()
	wr.end()
	wr.kept(t)
}

// newcomer logs somebody in at each replica.
func newcomer(t *testing.T, w *world, username string) {
	t.Helper()
	client := newClient(t, w.CAFile, func(*http.Transport) {})
	for i, s := range w.Servers {
		if a := token(client, s.URL, i == 0, person{username: username, password: testbed.SeedPassword(username)}, ""); !a.ok() {
			t.Errorf("%s at replica %d: %d %s", username, i, a.status, a.body)
		}
	}
}

// used waits until the replicas write to the Redis servers, of which one will do.
func used(w *world, servers ...*testbed.Redis) {
	w.t.Helper()
	w.Await("Redis is used", func() bool {
		for _, server := range servers {
			if n := server.CLI("DBSIZE"); n != "0" {
				return true
			}
		}
		return false
	})
}

// Redis is emptied, killed, restarted and hangs while people log in.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := start(t, parts{redisURL: redis.URL()})
	l := ask(w, w.URL, append(passwords(), refreshes(w, false))...)
	for range 2 {
		l.await(10)
		redis.CLI("FLUSHALL")
		l.await(10)
		used(w, redis)
		redis.Kill()
		l.await(20)
		redis.Restart()
		used(w, redis)
		redis.Pause()
		l.await(20)
		redis.Resume()
	}
	l.await(10)
	l.end()
}

// The master behind Sentinel is killed, or hangs, while people log in; the
// replicas go on with the new one.
func TestRedisSentinelFailover(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testbed.Redis){
		"the master is killed": (*testbed.Redis).Kill,
		"the master hangs":     (*testbed.Redis).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := testbed.StartRedisSentinel(t)
			w := start(t, parts{redisURL: group.URL()})
			l := ask(w, w.URL, append(passwords(), refreshes(w, false))...)
			l.await(10)
			old := group.Master()
			fail(old)
			l.await(20)
			w.Await("there is a new master", func() bool { return group.Master() != old })
			group.Master().CLI("FLUSHALL") // what it has from the old one
			used(w, group.Master())
			l.await(20)
			newcomer(t, w, "carol")
			l.end()
		})
	}
}

// A master of a Cluster of three is killed while people log in. The cluster has no
// replicas and refuses every key until it is back.
func TestRedisClusterLosesAMaster(t *testing.T) {
	t.Parallel()
	cluster := testbed.StartRedisCluster(t)
	w := start(t, parts{redisURL: cluster.URL()})
	l := ask(w, w.URL, append(passwords(), refreshes(w, false))...)
	for _, node := range cluster.Nodes {
		l.await(10)
		node.Kill()
		l.await(20)
		newcomer(t, w, "carol")
		node.Restart()
		for _, other := range cluster.Nodes {
			if other != node {
				other.CLI("FLUSHALL")
			}
		}
		used(w, cluster.Nodes[:]...)
	}
	l.end()
}
