package faults

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// TestPasswordFlood: 64 wrong passwords at a time against hashes of cost 12 must
// not keep anybody from a token who needs no hash: the anonymous, and those whose
// password was verified a moment ago. The times are reported and not judged,
// since this machine may do something else. It is not parallel, for their sake.
func TestPasswordFlood(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte(adminPW), 10)
	if err != nil {
		t.Fatal(err)
	}
	w := serveWith(t, admin+":"+string(hash)+"\nvictim:"+string(hash)+"\n", `
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
cache: { credential_ttl: 5m }
limits: { login_failures_per_minute: 0 }
`)
	w.local("before")
	const requests = 1000
	idle := w.measure(requests)

	var mu sync.Mutex
	flood := map[string]int{}
	quit := make(chan struct{})
	var done sync.WaitGroup
	for worker := range 64 {
		done.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				default:
				}
				a := w.login([]string{"victim", "nobody"}[i%2], fmt.Sprint("wrong-", worker, "-", i), worker%2 == 0)
				what := fmt.Sprint(a.status)
				if a.status != http.StatusUnauthorized && a.status != http.StatusServiceUnavailable {
					t.Errorf("a wrong password is answered %d: %s", a.status, a.body)
				}
				mu.Lock()
				flood[what]++
				mu.Unlock()
			}
		})
	}
	answered := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(flood) > 0
	}
	w.Await("the flood runs", answered)
	during := w.measure(requests)
	close(quit)
	done.Wait()

	t.Logf("the flood was answered %v", flood)
	for _, who := range []string{"anonymous", "cached"} {
		t.Logf("%s: p99 %s idle and %s during the flood (%.1f times); p50 %s and %s", who, p(idle[who], 99), p(during[who], 99),
			float64(p(during[who], 99))/float64(p(idle[who], 99)), p(idle[who], 50), p(during[who], 50))
	}
	w.local("after")
}

// measure asks for tokens, one after the other, and returns what they took. Every
// one must be given.
func (w *world) measure(n int) map[string][]time.Duration {
	w.t.Helper()
	took := map[string][]time.Duration{}
	for range n {
		for who, a := range map[string]answer{"anonymous": w.login("", "", false), "cached": w.login(admin, adminPW, false)} {
			if a.status != http.StatusOK {
				w.t.Errorf("%s: status %d: %s", who, a.status, a.body)
			}
			took[who] = append(took[who], a.took)
		}
	}
	for _, list := range took {
		slices.Sort(list)
	}
	return took
}

// p is a percentile of a sorted list.
func p(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(10 * time.Microsecond)
}
