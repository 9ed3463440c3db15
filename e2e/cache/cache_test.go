package cache_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/cache/conformance"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
)

// Patient is the bound on one operation where a test is about results: a busy
// machine must not look like a Redis that is down. The tests of faults keep the
// bound that operators have.
const patient = 20 * time.Second

const (
	user     = "drawbridge"
	password = "correct horse/battery@staple"
)

func open(t testing.TB, url, caFile string, timeout time.Duration, log *slog.Logger) *cache.Redis {
	t.Helper()
	opts, err := cache.ParseRedisURL(identity.NewSecret(url))
	if err != nil {
		t.Fatal(err)
	}
	opts.CAFile, opts.Timeout, opts.Log = caFile, timeout, log
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

func runConformance(t *testing.T, url, caFile string) {
	t.Helper()
	conformance.Run(t, func(t testing.TB) cache.Cache { return open(t, url, caFile, patient, nil) })
}

// runShared runs the suites of budgets and rates; the two sides have connections of their own.
func runShared(t *testing.T, url, caFile string) {
	t.Helper()
	conformance.RunBudget(t, func(t testing.TB, limit int, window time.Duration) (sides [2]cache.Budget) {
		for i := range sides {
			sides[i] = open(t, url, caFile, patient, nil).Budget(limit, window)
		}
		return sides
	})
	conformance.RunRate(t, func(t testing.TB, limit cache.RateLimit) (sides [2]cache.Rate) {
		for i := range sides {
			sides[i] = open(t, url, caFile, patient, nil).Rate(limit)
		}
		return sides
	})
}

func TestConformanceSingle(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	runConformance(t, server.URL(), "")
	runShared(t, server.URL(), "")
}

func TestConformanceTLSAndPassword(t *testing.T) {
	r := testbed.StartRedis(t, testbed.RedisOptions{TLS: true, Password: password})
	runConformance(t, r.URL(), r.CAFile)
	runShared(t, r.URL(), r.CAFile)
}

func TestConformanceSentinel(t *testing.T) {
	group := testbed.StartRedisSentinel(t)
	runConformance(t, group.URL(), "")
	runShared(t, group.URL(), "")
}

func TestConformanceCluster(t *testing.T) {
	cluster := testbed.StartRedisCluster(t)
	runConformance(t, cluster.URL(), "")
	runShared(t, cluster.URL(), "")
}

func TestConformanceSealed(t *testing.T) {
	url := testbed.StartRedis(t, testbed.RedisOptions{}).URL()
	conformance.Run(t, func(t testing.TB) cache.Cache {
		sealed, err := cache.Sealed(open(t, url, "", patient, nil), bytes.Repeat([]byte{1}, 32), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	})
}

// leastRights is the user that the documentation of package cache names.
func leastRights() []string {
	return []string{
		"ACL", "SETUSER", user, "on", ">" + password,
		"~drawbridge:*", "+get", "+set", "+del", "+exists", "+cluster|slots",
		"+eval", "+time", "+zadd", "+zcount", "+zrangebyscore", "+zrem", "+zremrangebyscore", "+zscore", "+pexpire",
	}
}

const asUser = "redis://" + user + ":correct%20horse%2Fbattery%40staple@"

// A user with the least rights is enough, and every key is under the one prefix.
func TestLeastRights(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{Password: "admin"})
	server.CLI(leastRights()...)
	url := strings.Replace(server.URL(), "redis://:admin@", asUser, 1)
	runConformance(t, url, "")
	runShared(t, url, "")
	if n := server.CLI("EVAL", prefixCount, "0"); n != "0" {
		t.Errorf("%s keys are not under the prefix", n)
	}
}

func TestLeastRightsOnACluster(t *testing.T) {
	cluster := testbed.StartRedisCluster(t)
	for _, node := range cluster.Nodes {
		node.CLI(leastRights()...)
	}
	url := strings.Replace(cluster.URL(), "redis://", asUser, 1)
	runConformance(t, url, "")
	runShared(t, url, "")
}

// prefixCount counts the keys outside the prefix, on the server.
const prefixCount = `local n = 0
for _, k in ipairs(redis.call('KEYS', '*')) do
  if string.sub(k, 1, 11) ~= 'drawbridge:' then n = n + 1 end
end
return n`

func TestOpenPicksRedis(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{TLS: true, Password: password})
	c, err := cache.Open(identity.NewSecret(server.URL()), server.CAFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	eventually(t, "a value arrives", func() bool {
		return c.Set(t.Context(), "k", []byte("v"), time.Minute) == nil
	})
	if got := server.CLI("GET", "drawbridge:k"); got != "v" {
		t.Errorf("the server holds %q", got)
	}
	if got := server.CLI("PTTL", "drawbridge:k"); got == "-1" {
		t.Error("the key has no ttl: it would stay forever")
	}
}

// eventually waits until it is so.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited too long until %s", what)
		case <-tick.C:
		}
	}
}

// logBuffer is a log that is written and read at the same time.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
