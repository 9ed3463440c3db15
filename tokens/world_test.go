package tokens_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
)

const (
	ttl     = 5 * time.Minute
	leafSvc = "Docker registry"
	kidSvc  = "zot"
)

// world is replicas that share a store and a CA, each with a directory of its own.
type world struct {
	t     *testing.T
	store *flaky
	ca    []byte // ca.pem of the first one
	clock *clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, store: &flaky{Store: openStore(t, t.TempDir())}, clock: &clock{now: time.Now().Truncate(time.Second)}}
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// flaky is a real store that counts its reads and can be out of reach.
type flaky struct {
	*store.Store
	down  atomic.Bool
	reads atomic.Int64
}

func (f *flaky) Keys(ctx context.Context) ([]tokens.Record, error) {
	f.reads.Add(1)
	if f.down.Load() {
		return nil, store.ErrUnavailable
	}
	return f.Store.Keys(ctx)
}

func (f *flaky) SaveKeys(ctx context.Context, records []tokens.Record, changes ...feed.Change) ([]feed.Change, error) {
	if f.down.Load() {
		return nil, store.ErrUnavailable
	}
	return f.Store.SaveKeys(ctx, records, changes...)
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// options are those of a replica with a new directory and the CA of the others.
func (w *world) options(name string) tokens.Options {
	w.t.Helper()
	opts := tokens.Options{
		Dir: filepath.Join(w.t.TempDir(), "keys"), LongestTTL: ttl, Store: w.store, Replica: name, Clock: w.clock.Now,
		Registries: []tokens.Registry{{Service: leafSvc}, {Service: kidSvc, Form: tokens.FormKID}},
	}
	if w.ca != nil {
		w.write(filepath.Join(opts.Dir, "ca.pem"), w.ca)
	}
	return opts
}

func (w *world) write(path string, content []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(path string) []byte {
	w.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return content
}

// open opens a replica; the first one makes the CA.
func (w *world) open(opts tokens.Options) *tokens.Keys {
	w.t.Helper()
	k, err := tokens.Open(opts)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.ca == nil {
		w.ca = w.read(filepath.Join(opts.Dir, "ca.pem"))
	}
	return k
}

func (w *world) replica(name string) *tokens.Keys { w.t.Helper(); return w.open(w.options(name)) }

// sync has replicas take the turn that Run would take.
func (w *world) sync(replicas ...*tokens.Keys) {
	w.t.Helper()
	for _, k := range replicas {
		if err := k.Sync(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) mint(k *tokens.Keys, service string) string {
	w.t.Helper()
	token, err := k.Mint(service, claims(service, w.clock.Now()))
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func claims(service string, now time.Time) tokens.Claims {
	return tokens.Claims{Issuer: "Acme auth server", Audience: service, Subject: "corp/alice", ID: "an-id", IssuedAt: now, TTL: ttl}
}

// verify fails the test unless each of the replicas takes the token, or refuses it.
func (w *world) verify(token string, want bool, replicas ...*tokens.Keys) {
	w.t.Helper()
	for i, k := range replicas {
		_, err := k.Verify(token)
		if (err == nil) != want || err != nil && identity.AsError(err).Kind != identity.Unauthenticated {
			w.t.Errorf("replica %d: %v", i, err)
		}
	}
}

// kids are the keys of a JWKS.
func kids(t *testing.T, k *tokens.Keys) []string {
	t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(k.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, key := range set.Keys {
		ids = append(ids, key.Kid)
	}
	return ids
}

func (w *world) records() []tokens.Record {
	w.t.Helper()
	records, err := w.store.Store.Keys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return records
}

// put writes a record over the one of its kid, as somebody with SQL can.
func (w *world) put(r tokens.Record) {
	w.t.Helper()
	for _, old := range w.records() {
		if old.KeyID == r.KeyID {
			r.Version = old.Version
		}
	}
	if _, err := w.store.SaveKeys(w.t.Context(), []tokens.Record{r}); err != nil {
		w.t.Fatal(err)
	}
}

// reopened is a new replica with the CA of another.
func (w *world) reopened(k *tokens.Keys) *tokens.Keys {
	w.t.Helper()
	w.ca = w.read(filepath.Join(filepath.Dir(k.JWKSFile()), "ca.pem"))
	opts := w.options("reopened")
	opts.Registries = opts.Registries[:1]
	return w.open(opts)
}

// leafCert is the first certificate of a token's x5c.
func leafCert(t *testing.T, token string) *x509.Certificate {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	content, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		X5C [][]byte `json:"x5c"`
	}
	if err := json.Unmarshal(content, &header); err != nil || len(header.X5C) == 0 {
		t.Fatalf("%s: %v", content, err)
	}
	cert, err := x509.ParseCertificate(header.X5C[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
