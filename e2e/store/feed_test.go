package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

// cluster is a PostgreSQL server with a database, a Redis, and what the replicas
// share besides.
type cluster struct {
	t        testing.TB
	postgres *testbed.Postgres
	redis    *testbed.Redis
	url      string
	revoked  []string // the token IDs whose revocation was acknowledged
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t, postgres: testbed.StartPostgres(t), redis: testbed.StartRedis(t, testbed.RedisOptions{})}
	c.url = c.postgres.NewDatabase()
	return c
}

// replica is what a server has of the feed, running.
type replica struct {
	*feed.Follower
	*revocation.List
	*revocation.Revoker
	c *cluster
}

// start runs a replica until the test ends.
func (c *cluster) start() *replica { return c.startAs(c.url) }

func (c *cluster) startAs(url string) *replica {
	c.t.Helper()
	s, err := store.Open(context.Background(), store.Options{URL: identity.NewSecret(url)})
	if err != nil {
		c.t.Fatal(err)
	}
	backend, sealed := c.cache()
	c.t.Cleanup(func() {
		if err := errors.Join(s.Close(), backend.Close()); err != nil {
			c.t.Error(err)
		}
	})
	r := run(c.t, s, feed.NewRelay(sealed))
	r.c = c
	return r
}

// run follows a store until the test ends.
func run(t testing.TB, s *store.Store, relay *feed.Relay) *replica {
	f := feed.NewFollower(feed.Options{Source: s, Relay: relay})
	l := revocation.NewList(f, nil)
	w := feed.NewWriter(feed.WriterOptions{Store: s, Relay: relay, Look: f.Look, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return &replica{f, l, revocation.NewRevoker(w, nil), nil}
}

// cache is Redis as the replicas use it.
func (c *cluster) cache() (cache.Backend, cache.Cache) {
	c.t.Helper()
	backend, err := cache.Open(identity.NewSecret(c.redis.URL()), "", slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	sealed, err := cache.Sealed(backend, []byte("the replicas share these 32 bytes"), time.Now)
	if err != nil {
		c.t.Fatal(err)
	}
	return backend, sealed
}

// filled waits until Redis has the relay with its head.
func (c *cluster) filled() {
	c.t.Helper()
	backend, sealed := c.cache()
	c.eventually("the relay is filled", func() bool {
		head, ok, err := sealed.Get(c.t.Context(), "feed:head")
		return err == nil && ok && string(head) == strconv.Itoa(len(c.revoked))
	})
	if err := backend.Close(); err != nil {
		c.t.Error(err)
	}
}

// revoke revokes a token through the replica, for good.
func (r *replica) revoke(id string) {
	r.c.t.Helper()
	if err := r.Token(r.c.t.Context(), id, revocation.Order{By: "cli:test"}); err != nil {
		r.c.t.Fatal(err)
	}
	r.c.revoked = append(r.c.revoked, id)
}

func (r *replica) check(id string) error { return r.Check(tokens.Claims{ID: id}) }

// eventually waits until something is so.
func (c *cluster) eventually(what string, done func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("it never came to this: %s", what)
		}
	}
}

// knows waits until the replica knows everything, and lets a good token through.
func (r *replica) knows(what string) {
	r.c.t.Helper()
	r.c.eventually(what+": fresh", func() bool { return r.Fresh() == nil })
	r.c.eventually(what+": every revocation is known", func() bool {
		for _, id := range r.c.revoked {
			if !isRevoked(r.check(id)) {
				return false
			}
		}
		return true
	})
	if err := r.check("good"); err != nil && !errors.Is(err, revocation.ErrUnknown) {
		r.c.t.Errorf("%s: a good token: %v", what, err)
	}
}

// doubts waits until the replica says that it does not know, and wants it to say so
// for several looks. What it knows to be revoked it refuses all the same.
func (r *replica) doubts(what string, known ...string) {
	r.c.t.Helper()
	r.c.eventually(what+": not fresh", func() bool { return r.Fresh() != nil })
	for range 5 {
		if err := r.Look(r.c.t.Context()); err == nil || r.Fresh() == nil {
			r.c.t.Errorf("%s: a look is complete", what)
		}
		if err := r.check("good"); !errors.Is(err, revocation.ErrUnknown) {
			r.c.t.Errorf("%s: a good token: %v", what, err)
		}
	}
	for _, id := range r.c.revoked {
		if r.check(id) == nil {
			r.c.t.Errorf("%s: the revocation of %s is forgotten", what, id)
		}
	}
	if len(known) > 0 && !isRevoked(r.check(known[0])) {
		r.c.t.Errorf("%s: the revocation of %s was known", what, known[0])
	}
}

// stays wants the replica to be sure for longer than it can be without a complete
// look.
func (r *replica) stays(what string) {
	r.c.t.Helper()
	r.knows(what)
	began, complete := time.Now(), 0
	r.c.eventually(what+": looks are complete", func() bool {
		if r.Look(r.c.t.Context()) == nil {
			complete++
		}
		return complete > 4 && time.Since(began) > 2*time.Second
	})
	r.knows(what)
}

func isRevoked(err error) bool {
	_, ok := errors.AsType[*revocation.RevokedError](err)
	return ok
}

func TestFeedAcrossReplicas(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	a.knows("the first")
	b.knows("the second")
	a.revoke("one")
	if !isRevoked(a.check("one")) {
		t.Error("who revokes does not know at once")
	}
	b.revoke("two")
	a.knows("the first")
	b.knows("the second")
	c.start().knows("the third")
}

// TestFeedWhilePostgresIsDown: Redis carries it; nothing can be revoked, and who
// starts now knows nothing until PostgreSQL is back.
func TestFeedWhilePostgresIsDown(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	a.revoke("before")
	b.knows("before")
	c.postgres.Kill()
	a.stays("PostgreSQL is down")
	b.stays("PostgreSQL is down")
	if err := a.Token(t.Context(), "meanwhile", revocation.Order{By: "cli:test"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("revoke: %v", err)
	}
	late := c.start()
	for range 5 {
		if err := late.Look(t.Context()); err == nil {
			t.Error("a replica without the store has looked to the end")
		}
		if err := late.check("before"); !errors.Is(err, revocation.ErrUnknown) {
			t.Errorf("a replica that never saw the store: %v", err)
		}
	}
	c.postgres.Restart()
	for _, r := range []*replica{a, b, late} {
		r.knows("PostgreSQL is back")
	}
	late.revoke("after")
	a.knows("PostgreSQL is back")
}

// TestFeedWhileRedisIsAway: it is not needed while PostgreSQL answers, and is filled
// again when it comes back empty.
func TestFeedWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	a.revoke("before")
	for round := range 3 {
		switch round {
		case 0:
			c.redis.Kill()
		case 1:
			c.redis.Pause()
		case 2:
			c.redis.CLI("FLUSHALL")
		}
		b.revoke(fmt.Sprint("meanwhile ", round))
		a.stays("Redis is away")
		if round == 0 {
			c.redis.Restart()
		}
		c.redis.Resume()
		c.filled()
		c.postgres.Kill()
		a.stays("Redis is back, PostgreSQL is down")
		b.stays("Redis is back, PostgreSQL is down")
		c.postgres.Restart()
		a.knows("both are back")
	}
}

// TestFeedWithoutBoth: nobody is sure of anything, whatever Redis comes back with,
// until PostgreSQL is there.
func TestFeedWithoutBoth(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	a.revoke("one")
	b.knows("before")
	c.redis.Kill()
	b.revoke("two")
	c.postgres.Kill()
	a.doubts("both are down", "one")
	b.doubts("both are down", "two")
	c.redis.Restart() // empty
	a.doubts("Redis is back, and empty")
	b.doubts("Redis is back, and empty")
	c.postgres.Restart()
	for _, r := range []*replica{a, b, c.start()} {
		r.knows("both are back")
	}
	// The other way round: Redis is emptied while PostgreSQL is down.
	c.filled()
	c.postgres.Kill()
	a.stays("PostgreSQL is down")
	c.redis.CLI("FLUSHALL")
	a.doubts("PostgreSQL is down and Redis was emptied")
	b.doubts("PostgreSQL is down and Redis was emptied")
	c.postgres.Restart()
	a.knows("PostgreSQL is back")
}

// TestFeedOfAReplicaThatIsCutOff: one replica cannot log in to PostgreSQL any more;
// what others revoke reaches it through Redis.
func TestFeedOfAReplicaThatIsCutOff(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	there := c.start()
	there.knows("before")
	const database = "drawbridge1"
	c.postgres.SQL(database, `CREATE ROLE outsider LOGIN PASSWORD 'secret'; GRANT ALL ON ALL TABLES IN SCHEMA public TO outsider`)
	address, err := url.Parse(c.url)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("outsider", "secret")
	cut := c.startAs(address.String())
	cut.knows("before")
	c.postgres.SQL(database, `ALTER ROLE outsider NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'outsider'`)
	cut.stays("cut off")
	for i := range 20 {
		there.revoke(fmt.Sprint("elsewhere ", i))
	}
	cut.knows("cut off")
	if err := cut.Token(t.Context(), "x", revocation.Order{By: "cli:test"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("it has a connection: %v", err)
	}
	c.redis.CLI("FLUSHALL")
	cut.knows("Redis was emptied, and another replica filled it")
	there.revoke("one more")
	cut.stays("Redis was emptied, and another replica filled it")
	c.redis.Kill()
	cut.doubts("Redis is away")
	there.revoke("unheard")
	c.redis.Restart()
	cut.knows("Redis is back")
	c.postgres.SQL(database, `ALTER ROLE outsider LOGIN`)
	cut.revoke("from here")
	there.knows("let in again")
}

// TestFeedWhileAQueryHangs: a database that accepts questions and does not answer is
// no better than one that is down.
func TestFeedWhileAQueryHangs(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	a.revoke("before")
	var hanging sync.WaitGroup
	hanging.Go(func() {
		c.postgres.SQL("drawbridge1", `DO $$ BEGIN LOCK TABLE counters IN ACCESS EXCLUSIVE MODE;
			WHILE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'released') LOOP PERFORM pg_sleep(0.05); END LOOP; END $$`)
	})
	c.eventually("a look that fails at the store", func() bool {
		return strings.Contains(c.postgres.SQL("drawbridge1", `SELECT count(*) FROM pg_locks WHERE NOT granted`), "1")
	})
	a.stays("the store hangs")
	c.redis.Pause()
	a.doubts("both hang", "before")
	c.redis.Resume()
	c.postgres.SQL("drawbridge1", `CREATE TABLE released ()`)
	hanging.Wait()
	a.knows("the store answers again")
}
