package replicas

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"drawbridge/e2e/testbed"
)

const limit = 5

var limited = fmt.Sprintf("limits: { login_failures_per_minute: %d }\n", limit)

// attacker guesses alice's password at one replica after the other.
type attacker struct {
	w       *world
	clients []*http.Client
	guesses int
}

func newAttacker(w *world) *attacker {
	a := &attacker{w: w}
	for range w.Servers {
		a.clients = append(a.clients, newClient(w.t, w.CAFile, func(*http.Transport) {}))
	}
	return a
}

// at asks one replica, from an address.
func (a *attacker) at(i int, username, password, from string) answer {
	return token(a.clients[i], a.w.Servers[i].URL, a.guesses%4 > 1, person{username: username, password: password}, from)
}

// guess tries n passwords, and returns how many were answered 401: tried at the
// directory. All others must be 429.
func (a *attacker) guess(n int, username, from string) (tried int) {
	a.w.t.Helper()
	for range n {
		a.guesses++
		got := a.at(a.guesses%2, username, fmt.Sprint("guess-", a.guesses), from)
		switch got.status {
		case http.StatusUnauthorized:
			tried++
		case http.StatusTooManyRequests:
			if wait, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
				a.w.t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
			}
		default:
			a.w.t.Errorf("guess %d: status %d: %s", a.guesses, got.status, got.body)
		}
	}
	return tried
}

// An attacker who alternates between replicas has as many guesses as at one, and
// hits nobody else.
func TestLoginLimitCountsAcrossReplicas(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := start(t, parts{redisURL: redis.URL(), settings: limited})
	a := newAttacker(w)
	const mallory, office = "198.51.100.7", "192.0.2.1"
	if tried := a.guess(40, "alice", mallory); tried != limit {
		t.Errorf("%d passwords were tried, want %d", tried, limit)
	}
	if tried := a.guess(10, "ALICE", mallory); tried != 0 {
		t.Errorf("%d passwords were tried under another spelling", tried)
	}
	for i := range w.Servers {
		for _, login := range []struct{ what, username, from string }{
			{"alice elsewhere", "alice", office},
			{"bob at the same address", "bob", mallory},
			{"alice, remembered by now, at the same address", "alice", mallory},
		} {
			if got := a.at(i, login.username, testbed.SeedPassword(login.username), login.from); !got.ok() {
				t.Errorf("%s, at replica %d: %d %s", login.what, i, got.status, got.body)
			}
		}
		if got := a.at(i, "bob", "wrong", mallory); got.status != http.StatusUnauthorized {
			t.Errorf("bob's own typo at replica %d: %d %s", i, got.status, got.body)
		}
	}
	for _, key := range []string{"alice", "guess", mallory} {
		if found := redis.CLI("--scan", "--pattern", "*"+key+"*"); found != "" {
			t.Errorf("Redis has the key %s", found)
		}
	}

	// Emptied, Redis knows of no guess any more; killed, each replica goes on with
	// what it has seen itself.
	redis.CLI("FLUSHALL")
	if tried := a.guess(40, "alice", mallory); tried != limit {
		t.Errorf("with Redis emptied %d passwords were tried, want %d", tried, limit)
	}
	redis.Kill()
	if tried := a.guess(60, "alice", mallory); tried > 2*limit {
		t.Errorf("without Redis %d passwords were tried, want %d at most", tried, 2*limit)
	}
	if tried := a.guess(60, "carol", mallory); tried != 2*limit {
		t.Errorf("without Redis %d passwords were tried for somebody new, want %d", tried, 2*limit)
	}
}
