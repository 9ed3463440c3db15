package clients

import (
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"drawbridge/e2e/testbed"
)

// traffic is people of the directory who log in, each again and again. Its
// failures are counted by status; 0 is no answer at all.
type traffic struct {
	t *testing.T
	s *testbed.Server

	mu       sync.Mutex
	statuses map[int]int
	quit     chan struct{}
	done     sync.WaitGroup
}

func newTraffic(t *testing.T, s *testbed.Server, people ...string) *traffic {
	t.Helper()
	load := &traffic{t: t, s: s, statuses: map[int]int{}, quit: make(chan struct{})}
	client := s.Client()
	for _, uid := range people {
		load.done.Go(func() {
			for {
				select {
				case <-load.quit:
					return
				default:
					load.ask(client, uid)
				}
			}
		})
	}
	t.Cleanup(func() { load.stop() })
	return load
}

// ask is not the test bed's, which may end a test from the test's goroutine only.
func (l *traffic) ask(client *http.Client, uid string) {
	status := 0
	query := url.Values{"service": {filtering}, "scope": {"repository:public/app:pull"}}
	req, err := http.NewRequest(http.MethodGet, l.s.URL+"/token?"+query.Encode(), http.NoBody)
	if err == nil {
		req.SetBasicAuth(uid, testbed.SeedPassword(uid))
		if resp, err := client.Do(req); err == nil {
			status = resp.StatusCode
			_ = resp.Body.Close()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statuses[status]++
}

// await waits until n more requests were answered.
func (l *traffic) await(n int) {
	l.t.Helper()
	before := l.total()
	l.s.Await("more logins", func() bool { return l.total() >= before+n })
}

func (l *traffic) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := 0
	for n := range maps.Values(l.statuses) {
		sum += n
	}
	return sum
}

// stop ends the traffic and returns how many answers had which status.
func (l *traffic) stop() map[int]int {
	l.mu.Lock()
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.mu.Unlock()
	l.done.Wait()
	return l.statuses
}
