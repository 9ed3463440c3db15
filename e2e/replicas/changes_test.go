package replicas

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// promise is how soon a change is in force on every replica.
const promise = time.Second

// delays waits, once for each of what begin returns, until it is in force, and
// fails the test unless most were in time. One may be late on a busy machine; what
// must never be late is tested with revocations.
func delays(t *testing.T, what string, times int, begin func(i int) (inForce func() bool)) {
	t.Helper()
	var took []time.Duration
	for i := range times {
		inForce := begin(i)
		start := time.Now()
		for !inForce() {
			if time.Since(start) > patience {
				t.Fatalf("%s: not in force after %s", what, patience)
			}
			time.Sleep(5 * time.Millisecond)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("%s: %d times, median %s, longest %s", what, times, median.Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if median > promise {
		t.Errorf("%s: half of them took longer than %s, the promise is %s", what, median, promise)
	}
}

// A robot that a command makes where one replica runs is let in by the other, and
// no longer when it is disabled.
func TestRobotsReachTheOtherReplica(t *testing.T) {
	t.Parallel()
	w := start(t, parts{redisURL: testbed.StartRedis(t, testbed.RedisOptions{}).URL()})
	client := newClient(t, w.CAFile, func(*http.Transport) {})
	var robots []person
	status := func(i int) int { return token(client, w.Servers[1].URL, i%2 == 0, robots[i], "").status }
	delays(t, "a robot is let in", 10, func(i int) func() bool {
		robots = append(robots, w.robot(fmt.Sprint("job", i)))
		return func() bool { return status(i) == http.StatusOK }
	})
	delays(t, "a robot is refused", 10, func(i int) func() bool {
		w.run("robot", "disable", fmt.Sprint("job", i))
		return func() bool { return status(i) == http.StatusUnauthorized }
	})
}

// refused asks again and again until the promise is well over, and fails the test
// for each request that was let through though it began later than promised: a
// replica that does not know has to refuse as well. It returns how long it took to
// the first refusal.
func refused(t *testing.T, what string, since time.Time, ask func() answer) (first time.Duration) {
	t.Helper()
	for time.Since(since) < 2*promise || first == 0 {
		began := time.Since(since)
		switch a := ask(); {
		case a.ok() && began > promise:
			t.Errorf("%s: let through %s after it was revoked", what, began)
			return began
		case a.ok():
		case a.status != http.StatusUnauthorized && a.status != http.StatusForbidden && a.status != http.StatusServiceUnavailable:
			t.Errorf("%s: %d %s", what, a.status, a.body)
			return began
		case first == 0:
			first = time.Since(since)
		}
	}
	return first
}

// A login at one replica goes on at the other, until it is ended where the first
// one runs; also if PostgreSQL goes away at that moment.
func TestSessionsHoldOnEveryReplica(t *testing.T) {
	t.Parallel()
	w := start(t, parts{redisURL: testbed.StartRedis(t, testbed.RedisOptions{}).URL()})
	client, alice := newClient(t, w.CAFile, func(*http.Transport) {}), w.people[1]
	for i, away := range []bool{false, false, true} {
		refreshToken := login(client, w.Servers[0].URL, alice)
		for j, s := range w.Servers {
			if a := refresh(client, s.URL, refreshToken); !a.ok() {
				t.Fatalf("round %d, replica %d: %d %s", i, j, a.status, a.body)
			}
		}
		var list []struct{ ID string }
		if err := json.Unmarshal([]byte(w.run("session", "list", "--user", "corp/alice", "-o", "json")), &list); err != nil || len(list) != 1 {
			t.Fatalf("%d sessions, %v", len(list), err)
		}
		w.run("session", "revoke", list[0].ID)
		since := time.Now()
		if away {
			w.postgres.Kill()
		}
		for j, s := range w.Servers {
			refused(t, fmt.Sprintf("round %d, replica %d", i, j), since, func() answer { return refresh(client, s.URL, refreshToken) })
		}
	}
}
