package conformance

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/store/feed"
	"drawbridge/tokens"

	"github.com/google/go-cmp/cmp"
)

func keyRecord(kid, service string, state tokens.KeyState) tokens.Record {
	return tokens.Record{
		KeyID: kid, Service: service, Algorithm: tokens.ES256, Public: `{"kty":"EC"}`, Replica: "näher-1", State: state,
		NotBefore: At(), NotAfter: At().Add(time.Hour), Until: At().Add(2 * time.Hour),
		Seals: []tokens.Seal{{Authority: "ab", MAC: []byte{0, 255}, Private: []byte("sealed")}, {Authority: "cd", MAC: []byte{1}}},
	}
}

func keyChange(kid string) feed.Change {
	return feed.Change{Kind: feed.KeysChanged, Value: kid, At: At(), ExpiresAt: At().Add(time.Minute)}
}

func testKeysComeBack(t *testing.T, open Open) {
	s := open(t)
	leaf, static := keyRecord("leaf", "", tokens.StateSigning), keyRecord("static", "zot", tokens.StateNext)
	leaf.Seals = nil
	leaf.NotBefore = leaf.NotBefore.Add(-time.Hour) // the order they come back in
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{leaf, static}, keyChange("leaf"), keyChange("static")); err != nil {
		t.Fatal(err)
	}
	leaf.Version, static.Version = 1, 1
	got, err := open(t).Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]tokens.Record{leaf, static}, got); diff != "" {
		t.Error(diff)
	}
	leaf.State, leaf.Until, leaf.RevokedAt, leaf.Public = tokens.StateRetired, At(), At(), `{}`
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{leaf}); err != nil {
		t.Fatal(err)
	}
	leaf.Version = 2
	if got, err = s.Keys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(leaf, got[0]); diff != "" {
		t.Error(diff)
	}
	if changes, _, err := s.ChangesSince(t.Context(), 0, 10); err != nil || len(changes) != 2 || changes[1].Value != "static" {
		t.Errorf("the feed has %v, %v", changes, err)
	}
}

// testKeysConflict: what was decided upon an old record is not written, and
// nothing else of the same call either.
func testKeysConflict(t *testing.T, open Open) {
	s := open(t)
	first := keyRecord("a", "", tokens.StateSigning)
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{first}); err != nil {
		t.Fatal(err)
	}
	stale := first
	stale.Version = 7
	for name, records := range map[string][]tokens.Record{
		"a new record whose kid is there":    {keyRecord("b", "", tokens.StateSigning), first},
		"another version":                    {keyRecord("b", "", tokens.StateSigning), stale},
		"a version of a record that is gone": {keyRecord("b", "", tokens.StateSigning), func() tokens.Record { r := keyRecord("c", "", tokens.StateSigning); r.Version = 1; return r }()},
	} {
		if _, err := s.SaveKeys(t.Context(), records, keyChange("x")); !errors.Is(err, tokens.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := s.Keys(t.Context())
	if err != nil || len(got) != 1 || got[0].Version != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if _, newest, err := s.ChangesSince(t.Context(), 0, 10); err != nil || newest != 0 {
		t.Errorf("a refused call is in the feed: %d, %v", newest, err)
	}
}

// testKeysRevocationStays: a process that knows nothing of a revocation cannot
// write it away.
func testKeysRevocationStays(t *testing.T, open Open) {
	s := open(t)
	r := keyRecord("a", "", tokens.StateSigning)
	r.RevokedAt = At()
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{r}); err != nil {
		t.Fatal(err)
	}
	again := r
	again.Version, again.RevokedAt = 1, time.Time{}
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{again}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Keys(t.Context()); err != nil || !got[0].RevokedAt.Equal(r.RevokedAt) {
		t.Errorf("%v, %v", got, err)
	}
}

// testKeysOneStatic: of replicas that make the key of one service at once, one
// succeeds; and a key can be replaced in one step.
func testKeysOneStatic(t *testing.T, open Open) {
	var made atomic.Int32
	var wg sync.WaitGroup
	for _, kid := range []string{"a", "b", "c", "d"} {
		s := open(t)
		wg.Go(func() {
			_, err := s.SaveKeys(t.Context(), []tokens.Record{keyRecord(kid, "zot", tokens.StateSigning)})
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, tokens.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := open(t)
	got, err := s.Keys(t.Context())
	if err != nil || made.Load() != 1 || len(got) != 1 {
		t.Fatalf("%d replicas made a key, %d are there, %v", made.Load(), len(got), err)
	}
	next, old := keyRecord("next", "zot", tokens.StateSigning), got[0]
	old.State = tokens.StateRetired
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{next, old}); err != nil {
		t.Errorf("replace: %v", err)
	}
	rsa := keyRecord("rsa", "zot", tokens.StateSigning)
	rsa.Algorithm = tokens.RS256
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{rsa, keyRecord("l1", "", tokens.StateSigning), keyRecord("l2", "", tokens.StateSigning)}); err != nil {
		t.Errorf("a key of another algorithm, and leaves: %v", err)
	}
}

func testKeysPruned(t *testing.T, open Open) {
	s := open(t)
	old, live, static := keyRecord("old", "", tokens.StateRetired), keyRecord("live", "", tokens.StateSigning), keyRecord("static", "zot", tokens.StateRetired)
	for _, r := range []*tokens.Record{&old, &static} {
		r.NotAfter, r.Until = At().Add(-time.Hour), At().Add(-2*time.Hour)
	}
	if _, err := s.SaveKeys(t.Context(), []tokens.Record{old, live, static}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.PruneKeys(t.Context(), At()); err != nil || n != 1 {
		t.Errorf("pruned %d, %v", n, err)
	}
	// A replica that was away for long must still learn that its static key is none.
	if got, err := s.Keys(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}
