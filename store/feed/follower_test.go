package feed_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/store/feed"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var errDown = errors.New("connection refused")

// list is a store that a test can stop, and set back.
type list struct {
	mu      sync.Mutex
	now     func() time.Time
	changes []feed.Change
	down    bool
	pruned  int
}

func (l *list) add(values ...string) []feed.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []feed.Change
	for _, v := range values {
		c := feed.Change{Seq: int64(len(l.changes)) + 1, Kind: feed.RevokeToken, Value: v, At: l.now(), ExpiresAt: l.now().Add(time.Hour)}
		l.changes, out = append(l.changes, c), append(out, c)
	}
	return out
}

func (l *list) stop(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

func (l *list) ChangesSince(ctx context.Context, seq int64, limit int) (changes []feed.Change, newest int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down || ctx.Err() != nil {
		return nil, 0, errors.Join(errDown, ctx.Err())
	}
	for _, c := range l.changes[min(seq, int64(len(l.changes))):] {
		if len(changes) < limit && c.ExpiresAt.After(l.now()) {
			changes = append(changes, c)
		}
	}
	return changes, int64(len(l.changes)), nil
}

func (l *list) PruneChanges(context.Context, time.Time) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pruned++
	return 0, nil
}

// shared is a cache that a test can stop, and whose values it can take away.
type shared struct {
	mu     sync.Mutex
	values map[string][]byte
	down   bool
	writes int
	slow   func()
}

func (s *shared) Get(_ context.Context, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, false, errDown
	}
	v, ok := s.values[key]
	return v, ok, nil
}

func (s *shared) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	s.values[key] = value
	s.writes++
	if s.slow != nil {
		s.slow()
	}
	return nil
}

func (s *shared) Delete(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDown
	}
	for _, key := range keys {
		delete(s.values, key)
	}
	return nil
}

func (s *shared) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// world is a store, a cache and a clock.
type world struct {
	t     *testing.T
	store *list
	cache *shared
	now   time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cache: &shared{values: map[string][]byte{}}, now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.store = &list{now: w.clock}
	return w
}

func (w *world) clock() time.Time { return w.now }

// replica is a follower and the values it has handed out.
type replica struct {
	*feed.Follower
	got []string
}

func (w *world) replica(relay bool) *replica {
	opts := feed.Options{Source: w.store, Clock: w.clock}
	if relay {
		opts.Relay = feed.NewRelay(w.cache)
	}
	r := &replica{Follower: feed.NewFollower(opts)}
	r.On(feed.RevokeToken, func(c feed.Change) { r.got = append(r.got, c.Value) })
	return r
}

// look looks and wants it to be complete, or not to be.
func (w *world) look(r *replica, complete bool) {
	w.t.Helper()
	if err := r.Look(w.t.Context()); (err == nil) != complete {
		w.t.Errorf("look: %v, want complete: %v", err, complete)
	}
}

func (w *world) want(r *replica, values ...string) {
	w.t.Helper()
	if diff := cmp.Diff(values, r.got); diff != "" {
		w.t.Error(diff)
	}
}

func TestFollowerHandsOutEverythingInOrder(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 2500 {
		want = append(want, strconv.Itoa(i))
	}
	w.store.add(want...)
	r := w.replica(false)
	others := 0
	r.On(feed.Forget, func(feed.Change) { others++ })
	again := 0
	r.On(feed.RevokeToken, func(feed.Change) { again++ })
	w.look(r, true)
	w.store.add("new")
	w.look(r, true)
	w.look(r, true)
	w.want(r, append(want, "new")...)
	if others != 0 || again != len(want)+1 {
		t.Errorf("handlers of another kind were called %d times, the second one %d times", others, again)
	}
}

func TestFollowerIsFreshForASecond(t *testing.T) {
	w := newWorld(t)
	r := w.replica(false)
	if r.Loaded() == nil || r.Fresh() == nil {
		t.Error("fresh before the first look")
	}
	w.store.stop(true)
	w.look(r, false)
	if r.Loaded() == nil || r.Fresh() == nil {
		t.Error("fresh after a look that failed")
	}
	w.store.stop(false)
	w.look(r, true)
	w.store.stop(true)
	w.now = w.now.Add(time.Second)
	if err := errors.Join(r.Loaded(), r.Fresh()); err != nil {
		t.Error(err)
	}
	w.now = w.now.Add(time.Millisecond)
	w.look(r, false)
	if r.Fresh() == nil || r.Loaded() != nil {
		t.Errorf("after a second without a look: fresh %v, loaded %v", r.Fresh(), r.Loaded())
	}
	w.store.stop(false)
	w.look(r, true)
	if err := r.Fresh(); err != nil {
		t.Error(err)
	}
}

// The time of a look that takes long is that of its beginning: what was written
// meanwhile may not be in the answer.
func TestFollowerCountsFromTheBeginningOfALook(t *testing.T) {
	w := newWorld(t)
	r := feed.NewFollower(feed.Options{Source: slow{w.store, func() { w.now = w.now.Add(2 * time.Second) }}, Clock: w.clock})
	if err := r.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Fresh() == nil {
		t.Error("fresh with an answer that is two seconds old")
	}
}

// slow lets something happen before the answer arrives.
type slow struct {
	*list
	meanwhile func()
}

func (s slow) ChangesSince(ctx context.Context, seq int64, limit int) ([]feed.Change, int64, error) {
	defer s.meanwhile()
	return s.list.ChangesSince(ctx, seq, limit)
}

// A caller who leaves is no outage of the store.
func TestFollowerCancelled(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	f := feed.NewFollower(feed.Options{Source: w.store, Clock: w.clock, Metrics: registry})
	if err := f.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	metric(t, registry, "drawbridge_store_up 1")
}

// A store that has lost changes, or is another one, has new changes under numbers
// that were seen.
func TestFollowerOfAStoreThatWentBack(t *testing.T) {
	w := newWorld(t)
	r := w.replica(false)
	w.store.add("a", "b", "c")
	w.look(r, true)
	w.store.changes = w.store.changes[:1]
	w.store.add("B")
	w.look(r, true)
	w.store.add("C", "D")
	w.look(r, true)
	w.want(r, "a", "b", "c", "a", "B", "C", "D")
}

func TestFollowerRuns(t *testing.T) {
	w := newWorld(t)
	seen := make(chan string, 10)
	f := feed.NewFollower(feed.Options{Source: w.store})
	f.On(feed.RevokeToken, func(c feed.Change) { seen <- c.Value })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	for _, value := range []string{"a", "b"} {
		w.store.add(value)
		if got := <-seen; got != value {
			t.Errorf("got %s", got)
		}
	}
	cancel()
	running.Wait()
	if w.store.pruned == 0 {
		t.Error("expired changes are not removed")
	}
}

// What is live at the start may take long to read, and is read nevertheless: only
// later must an answer come soon.
func TestFollowerHasTimeAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.add("a")
		f := feed.NewFollower(feed.Options{Source: hanging{w.store, 3 * time.Second}, Relay: feed.NewRelay(w.cache)})
		if err := f.Look(t.Context()); err != nil {
			t.Error(err)
		}
		began := time.Now()
		if err := f.Look(t.Context()); err != nil { // from the relay
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("a look took %s", took)
		}
	})
}

// hanging is a store that takes long to answer.
type hanging struct {
	*list
	wait time.Duration
}

func (h hanging) ChangesSince(ctx context.Context, seq int64, limit int) ([]feed.Change, int64, error) {
	select {
	case <-time.After(h.wait):
		return h.list.ChangesSince(ctx, seq, limit)
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

func TestFollowerMetrics(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	f := feed.NewFollower(feed.Options{Source: w.store, Clock: w.clock, Metrics: registry, Relay: feed.NewRelay(w.cache)})
	metric(t, registry, "drawbridge_feed_fresh 0", "drawbridge_feed_lag_seconds -1", "drawbridge_store_up 0")
	_ = f.Look(t.Context())
	metric(t, registry, "drawbridge_feed_fresh 1", "drawbridge_feed_lag_seconds 0", "drawbridge_store_up 1", "drawbridge_feed_relay_up 1")
	w.now = w.now.Add(500 * time.Millisecond)
	w.store.stop(true)
	_ = f.Look(t.Context())
	metric(t, registry, "drawbridge_store_up 0", "drawbridge_feed_relay_up 1")
	w.now = w.now.Add(250 * time.Millisecond)
	w.cache.down = true
	_ = f.Look(t.Context())
	metric(t, registry, "drawbridge_feed_relay_up 0", "drawbridge_feed_fresh 1", "drawbridge_feed_lag_seconds 0.25", "drawbridge_store_up 0",
		`drawbridge_feed_looks_total{outcome="complete",source="store"} 1`, `drawbridge_feed_looks_total{outcome="failed",source="store"} 2`,
		`drawbridge_feed_looks_total{outcome="complete",source="relay"} 1`, `drawbridge_feed_looks_total{outcome="failed",source="relay"} 1`)
	w.store.stop(false)
	_ = f.Look(t.Context())
	metric(t, registry, "drawbridge_store_up 1", "drawbridge_feed_relay_up 0")
}

// metric fails the test unless the registry has the samples.
func metric(t *testing.T, registry *prometheus.Registry, samples ...string) {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, sample := range samples {
		if !strings.Contains(answer.Body.String(), "\n"+sample+"\n") {
			t.Errorf("no %q in\n%s", sample, answer.Body)
		}
	}
}
