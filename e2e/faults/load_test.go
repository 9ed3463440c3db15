package faults

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"drawbridge/e2e/testbed"
)

// load is people who log in, each again and again, with right, wrong and
// other people's passwords.
type load struct {
	w    *world
	next atomic.Int64 // the number of the next login
	most int64        // 0: until stop
	done sync.WaitGroup
	quit chan struct{}

	mu       sync.Mutex
	statuses map[string]int // right or wrong, and the status
	faults   map[string]int
	sum      int
}

// start begins with so many logins at a time, at most so many in all.
func start(t *testing.T, w *world, workers int, most int64) *load {
	t.Helper()
	l := &load{w: w, most: most, quit: make(chan struct{}), statuses: map[string]int{}, faults: map[string]int{}}
	for range workers {
		l.done.Go(l.work)
	}
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) work() {
	people := testbed.SeedPeople()
	for {
		select {
		case <-l.quit:
			return
		default:
		}
		i := l.next.Add(1) - 1
		if l.most > 0 && i >= l.most {
			return
		}
		who := people[int(i)%len(people)]
		form := i%2 == 0
		switch i % 4 {
		case 0:
			l.note("wrong", who, false, l.w.login(who, fmt.Sprint("pw-wrong-", i), form))
		case 1:
			other := people[int(i+1)%len(people)]
			l.note("other's", who, false, l.w.login(who, testbed.SeedPassword(other), form))
		default:
			l.note("right", who, true, l.w.login(who, testbed.SeedPassword(who), form))
		}
	}
}

func (l *load) note(what, who string, right bool, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum++
	l.statuses[fmt.Sprint(what, " ", a.status)]++
	if fault := a.wrong(who, right); fault != "" {
		l.faults[fmt.Sprintf("%s: status %d, subject %q, %.200s", fault, a.status, a.subject, a.body)]++
	}
}

// count returns how often what was answered with the status; with 0, how many
// logins there were.
func (l *load) count(what string, status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if status == 0 {
		return l.sum
	}
	return l.statuses[fmt.Sprint(what, " ", status)]
}

// await waits until so many more were answered that way.
func (l *load) await(n int, what string, status int) {
	l.w.t.Helper()
	before := l.count(what, status)
	l.w.Await(fmt.Sprintf("%d more: %s %d", n, what, status), func() bool { return l.count(what, status) >= before+n })
}

// stop ends the load and returns what was answered; what no answer may be fails
// the test.
func (l *load) stop() map[string]int {
	l.w.t.Helper()
	l.mu.Lock()
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.mu.Unlock()
	l.done.Wait()
	for fault, n := range l.faults {
		l.w.t.Errorf("%d times %s", n, fault)
	}
	clear(l.faults)
	return maps.Clone(l.statuses)
}

// TestRestartsUnderLoad: 32 logins at a time while slapd is restarted 10 times,
// every other time by kill -9.
func TestRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	w := serve(t, direct, corp(directory, []string{directory.URL()}))
	w.healthy("before")
	l := start(t, w, 32, 0)
	for i := range 10 {
		l.await(20, "right", http.StatusOK)
		if i%2 == 0 {
			directory.Kill()
		} else {
			directory.Stop()
		}
		l.await(20, "right", http.StatusServiceUnavailable)
		directory.Start()
	}
	l.await(50, "right", http.StatusOK)
	statuses := l.stop()
	t.Logf("%d logins: %v", l.count("", 0), statuses)
	for _, never := range []string{"right 401", "wrong 200", "other's 200"} {
		if statuses[never] != 0 {
			t.Errorf("%s: %d times", never, statuses[never])
		}
	}
	w.recovers("ten restarts")
}

// TestNothingLeaks counts goroutines, files and the directory's connections
// before and after 1,000 logins with every fault among them.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := serve(t, direct, corp(b.slapd, []string{"ldap://" + b.proxy.addr()}, "timeout: 2s"))
	start(t, w, 16, 64).done.Wait() // what is made once is made now
	w.settle(b, nil)
	before := w.resources(b)

	l := start(t, w, 16, 1000)
	for i := 0; l.count("", 0) < 1000; i++ {
		l.awaitOrEnd(80)
		switch i % 5 {
		case 0:
			b.reset("pw-")()
			l.awaitOrEnd(40)
			b.noReset()
		case 1:
			b.proxy.cutAll()
		case 2:
			b.slapd.Kill()
			l.awaitOrEnd(40)
			b.slapd.Start()
		case 3:
			b.slapd.Pause()
			l.awaitOrEnd(16)
			b.slapd.Resume()
		case 4:
			b.reset("inetOrgPerson")()
			l.awaitOrEnd(40)
			b.noReset()
		}
	}
	t.Logf("1000 logins: %v", l.stop())
	w.recovers("all of that")
	w.settle(b, &before)
	t.Logf("before %+v, after %+v", before, w.resources(b))
}

// awaitOrEnd waits for more logins, or for the last one.
func (l *load) awaitOrEnd(n int) {
	l.w.t.Helper()
	want := min(l.count("", 0)+n, int(l.most))
	l.w.Await(fmt.Sprint(want, " logins"), func() bool { return l.count("", 0) >= want })
}

// resources are what may leak.
type resources struct{ Goroutines, Files, Connections int }

func (w *world) resources(b *bench) resources {
	w.t.Helper()
	m := w.Metrics()
	return resources{int(m["go_goroutines"]), int(m["process_open_fds"]), b.slapd.Connections()}
}

// The pool keeps so many connections to the directory; go-ldap runs two
// goroutines for each. Another two are the test's own requests for the metrics.
const (
	pooled   = 8
	slackGos = 2*pooled + 4
	slackFDs = pooled + 4
)

// settle waits until what requests held is given back: all that is over the
// pool's, compared with an earlier count.
func (w *world) settle(b *bench, before *resources) {
	w.t.Helper()
	w.client.CloseIdleConnections()
	var last resources
	defer func() {
		if w.t.Failed() {
			w.t.Logf("before %+v, at last %+v", before, last)
		}
	}()
	w.Await("goroutines, files and connections are given back", func() bool {
		last = w.resources(b)
		if before == nil {
			return last.Connections <= pooled
		}
		return last.Connections <= pooled && last.Goroutines <= before.Goroutines+slackGos && last.Files <= before.Files+slackFDs
	})
	if strings.Contains(w.Output(), "panic") {
		w.t.Error("the server panicked")
	}
}
