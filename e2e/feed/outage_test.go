package feed_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
)

// The metrics that say whether a server knows what is revoked.
const (
	fresh   = "drawbridge_feed_fresh"
	storeUp = "drawbridge_store_up"
	relayUp = "drawbridge_feed_relay_up"
	revoked = `drawbridge_revocations_live{kind="person"}`
)

// Whatever is away, people log in; whether all revocations are known is said, and
// a person's revocation that was acknowledged is with every server, also with one
// that has started since.
func TestStoreAndRedisAway(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	postgres := testbed.StartPostgres(t)
	url := postgres.NewDatabase()
	r := serve(t, 2, "  redis_url: \""+redis.URL()+"\"\n", "store: { url: \""+url+"\" }\n", people(directory))
	logins := func(what string) {
		t.Helper()
		r.want(what, "alice", testbed.SeedPassword("alice"), ok, pushed)
		for i, s := range r.servers {
			if !s.Ready() {
				t.Errorf("%s: server %d is not ready", what, i)
			}
		}
	}
	r.metric(fresh, 1)
	r.metric(relayUp, 1)
	revoke(t, url, "corp/mallory")
	r.metric(revoked, 1)
	logins("before")

	postgres.Kill()
	r.metric(storeUp, 0)
	r.metric(fresh, 1)
	logins("PostgreSQL is away")
	out := testbed.RunDrawbridge(t, r.servers[0].Dir, "", "user", "forget", "corp/alice", "--config", "drawbridge.yaml")
	if out.Code != 2 || out.Stdout != "" || !strings.Contains(out.Stderr, "the store is unavailable") {
		t.Errorf("user forget without the store: exit code %d: %s%s", out.Code, out.Stdout, out.Stderr)
	}

	redis.CLI("FLUSHALL")
	r.metric(relayUp, 0)
	r.metric(fresh, 0)
	logins("PostgreSQL is away and Redis is empty")
	redis.Kill()
	logins("both are away")
	postgres.Restart()
	r.metric(fresh, 1)
	r.metric(storeUp, 1)
	r.metric(revoked, 1)
	logins("Redis is away")
	revoke(t, url, "corp/oscar")
	r.metric(revoked, 2)

	r.metric(relayUp, 0)
	redis.Restart() // empty
	r.metric(relayUp, 1)
	postgres.Kill()
	r.metric(storeUp, 0)
	r.metric(fresh, 1)
	r.metric(revoked, 2)
	logins("PostgreSQL is away again")
	postgres.Restart()
	r.metric(storeUp, 1)

	// What a server has not seen it reads at its start.
	started := serve(t, 1, "  redis_url: \""+redis.URL()+"\"\n", "store: { url: \""+url+"\" }\n", people(directory))
	started.metric(revoked, 2)
	started.metric(fresh, 1)
}

// revoke does what a command does that revokes a person.
func revoke(t *testing.T, url, name string) {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{URL: identity.NewSecret(url), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	_, err = s.AppendChanges(t.Context(), feed.Change{
		Kind: feed.RevokePerson, Value: name, At: now, By: "cli:test", ExpiresAt: now.Add(time.Hour),
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}
