package store_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
	"drawbridge/store"
	"drawbridge/store/conformance"
)

// acknowledgements collects what was acknowledged, and lets a test wait for more.
type acknowledgements struct {
	mu     sync.Mutex
	values []string
	came   chan struct{} // holds one when there was a new one
}

func (a *acknowledgements) add(value string) {
	a.mu.Lock()
	a.values = append(a.values, value)
	a.mu.Unlock()
	select {
	case a.came <- struct{}{}:
	default:
	}
}

// await waits for n more.
func (a *acknowledgements) await(t *testing.T, n int) {
	t.Helper()
	for want := a.count() + n; a.count() < want; {
		select {
		case <-a.came:
		case <-time.After(time.Minute):
			t.Fatal("no write is acknowledged")
		}
	}
}

func (a *acknowledgements) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.values)
}

// write lets the stores write, each as a process of its own would, until stop is
// called. stop returns what was acknowledged.
func write(t *testing.T, stores ...*store.Store) (a *acknowledgements, stop func() []string) {
	t.Helper()
	a = &acknowledgements{came: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			refused, err := conformance.Write(ctx, s, []string{"a", "b"}[i], 0, a.add)
			if err != nil {
				t.Errorf("an error that is not ErrUnavailable: %v", err)
			}
			if refused == 0 {
				t.Error("no write was refused: the server was never away")
			}
		})
	}
	return a, func() []string { cancel(); wg.Wait(); return a.values }
}

// What a call acknowledged survives the server's being killed while two replicas
// write to it, 20 times in a row.
func TestPostgresKilledWhileWriting(t *testing.T) {
	server := testbed.StartPostgres(t)
	url := server.NewDatabase()
	first, second := open(t, url), open(t, url)
	acknowledged, stop := write(t, first, second)
	for range 20 {
		acknowledged.await(t, 1+rand.IntN(60))
		time.Sleep(rand.N(5 * time.Millisecond)) // not right after a write
		server.Kill()
		server.Restart()
	}
	acknowledged.await(t, 1)
	conformance.CheckKept(t, open(t, url), stop())
}
