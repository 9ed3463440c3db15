package sessions_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/sessions"

	"github.com/prometheus/client_golang/prometheus"
)

// world is a manager over a real store, with people, a clock and revocations that a
// test sets.
type world struct {
	*sessions.Manager
	store *brittle
	cache cache.Cache
	log   bytes.Buffer
	reg   *prometheus.Registry

	mu      sync.Mutex
	now     time.Time
	answer  func(id identity.Identity, version string) connectors.Verdict
	asked   int
	revoked func(tokens.Claims) error
	told    []feed.Change
}

const (
	service = "Docker registry"
	docker  = "docker"
	ttl     = 30 * 24 * time.Hour
)

func newWorld(t *testing.T, change ...func(*sessions.Options)) *world {
	t.Helper()
	w := &world{now: time.Now().UTC().Truncate(time.Millisecond), reg: prometheus.NewRegistry()}
	w.revoked = func(tokens.Claims) error { return nil }
	w.answers(connectors.Granted(alice()))
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	memory := cache.NewMemory(1<<20, w.clock)
	t.Cleanup(func() { _ = errors.Join(db.Close(), memory.Close()) })
	w.store, w.cache = &brittle{Store: db}, memory
	opts := sessions.Options{
		Store: w.store, People: w, TTL: ttl, Clock: w.clock, Rand: rand.Reader, Cache: w.cache, Revocations: w, Changes: w,
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: sessions.NewMetrics(w.reg),
	}
	for _, f := range change {
		f(&opts)
	}
	w.Manager = sessions.New(opts)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// answers makes the connector answer every re-check so.
func (w *world) answers(o connectors.Outcome) {
	w.answer = func(identity.Identity, string) connectors.Verdict {
		return connectors.Verdict{Outcome: o, Connector: "corp"}
	}
}

func (w *world) Recheck(_ context.Context, id identity.Identity, version string) connectors.Verdict {
	w.mu.Lock()
	w.asked++
	answer := w.answer
	w.mu.Unlock()
	return answer(id, version)
}

func (w *world) Check(claims tokens.Claims) error { return w.revoked(claims) }

func (w *world) Announce(_ context.Context, stored ...feed.Change) {
	w.told = append(w.told, stored...)
}

// brittle is a store that can be down, or slow.
type brittle struct {
	*store.Store
	mu   sync.Mutex
	err  error
	hang chan struct{} // reads wait for it
}

var errDown = errors.New("the database is down")

func (b *brittle) down(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *brittle) failing(ctx context.Context) error {
	b.mu.Lock()
	err, hang := b.err, b.hang
	b.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (b *brittle) SessionByToken(ctx context.Context, hash sessions.Hash) (sessions.Session, bool, error) {
	if err := b.failing(ctx); err != nil {
		return sessions.Session{}, false, err
	}
	return b.Store.SessionByToken(ctx, hash)
}

func (b *brittle) CreateSession(ctx context.Context, s sessions.Session, most int) ([]string, error) {
	if err := b.failing(ctx); err != nil {
		return nil, err
	}
	return b.Store.CreateSession(ctx, s, most)
}

func (b *brittle) RotateSession(ctx context.Context, id string, expected sessions.Hash, to sessions.TokenState) (bool, error) {
	if err := b.failing(ctx); err != nil {
		return false, err
	}
	return b.Store.RotateSession(ctx, id, expected, to)
}

func (b *brittle) EndSession(ctx context.Context, id string, end sessions.End) ([]feed.Change, error) {
	if err := b.failing(ctx); err != nil {
		return nil, err
	}
	return b.Store.EndSession(ctx, id, end)
}

func alice() identity.Identity {
	return identity.Identity{
		Kind: identity.User, Connector: "corp", Name: "alice", StableID: "17", Groups: []string{"dev"}, Method: identity.MethodPassword,
	}
}

// begin logs alice in. A change of what begins is optional.
func (w *world) begin(t *testing.T, change ...func(*sessions.Start)) (token identity.Secret, id string) {
	t.Helper()
	start := sessions.Start{
		Person: alice(), Version: "v1", Service: service, ClientID: docker, Address: "192.0.2.1", UserAgent: "docker/28",
		VerifiedAt: w.clock(),
	}
	for _, f := range change {
		f(&start)
	}
	draft, err := w.Draft(start)
	if err != nil {
		t.Fatal(err)
	}
	token, err = w.Keep(t.Context(), draft)
	if err != nil {
		t.Fatal(err)
	}
	return token, draft.ID()
}

func rotating(s *sessions.Start) { s.Rotating = true }

// show uses a token as the client that logged in does.
func (w *world) show(t *testing.T, token identity.Secret) (sessions.Continued, error) {
	t.Helper()
	return w.Refresh(t.Context(), shown(token))
}

func shown(token identity.Secret) sessions.Shown {
	return sessions.Shown{Token: token, Service: service, ClientID: docker, Address: "192.0.2.2"}
}

// good fails the test unless the token is honoured.
func (w *world) good(t *testing.T, what string, token identity.Secret) sessions.Continued {
	t.Helper()
	c, err := w.show(t, token)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return c
}

// refused fails the test unless the error is a refusal for that reason.
func refused(t *testing.T, what string, err error, reason sessions.Reason, ended bool) {
	t.Helper()
	var r *sessions.Refusal
	if !errors.As(err, &r) || r.Reason != reason || r.Ended != ended {
		t.Errorf("%s: got %+v (%v), want %s, ended: %v", what, r, err, reason, ended)
	}
}

// outage fails the test unless the error is an outage.
func outage(t *testing.T, what string, err error) {
	t.Helper()
	var o *sessions.Outage
	if !errors.As(err, &o) {
		t.Fatalf("%s: got %v, want an outage", what, err)
	}
}

// stored returns the session as the store has it.
func (w *world) stored(t *testing.T, id string) sessions.Session {
	t.Helper()
	list, err := w.store.ListSessions(t.Context(), sessions.Filter{Ended: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("there is no session %s in %s", id, filepath.Base(t.Name()))
	return sessions.Session{}
}

// written runs the background work until what is pending is written.
func (w *world) written(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Run(ctx)
}
