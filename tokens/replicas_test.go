package tokens_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"drawbridge/identity"
	"drawbridge/store"
)

func TestReplicasVerifyEachOther(t *testing.T) {
	w := newWorld(t)
	a := w.replica("a")
	b := w.replica("b") // knows a from the start; a learns of b from its token
	for _, token := range []string{w.mint(a, leafSvc), w.mint(b, leafSvc), w.mint(a, kidSvc), w.mint(b, kidSvc)} {
		w.verify(token, true, a, b)
	}
	if !bytes.Equal(a.JWKS(), b.JWKS()) || len(kids(t, a)) != 3 {
		t.Errorf("the JWKS is not the union of two leaves and a static key:\n%s\n%s", a.JWKS(), b.JWKS())
	}
	if !bytes.Equal(a.StaticCert(kidSvc), b.StaticCert(kidSvc)) {
		t.Error("the replicas have two keys for one service")
	}
	w.clock.advance(ttl + time.Minute)
	w.verify(w.mint(a, leafSvc), true, b)
}

// A token may be signed by a leaf that is a moment old.
func TestNewLeafVerifiesElsewhereAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.replica("a"), w.replica("b")
	for range 5 {
		if err := a.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.verify(w.mint(a, leafSvc), true, b)
	}
}

func TestStoreThatIsDown(t *testing.T) {
	w := newWorld(t)
	aOpts := w.options("a")
	a, b := w.open(aOpts), w.replica("b")
	known := w.mint(b, leafSvc)
	w.verify(known, true, a)
	c := w.replica("c")
	unknown := w.mint(c, leafSvc)

	w.store.down.Store(true)
	w.verify(known, true, a, b)
	w.verify(w.mint(a, leafSvc), true, a)
	w.verify(w.mint(a, kidSvc), true, a, b)
	if _, err := a.Verify(unknown); identity.AsError(err).Kind != identity.Unavailable {
		t.Errorf("a key that cannot be asked for: %v", err)
	}
	if err := a.Rotate(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a rotation that nobody could learn of: %v", err)
	}
	// One that is due waits, and one that cannot wait longer does not.
	before := kids(t, a)
	w.clock.advance(31 * 24 * time.Hour)
	if err := a.Sync(t.Context()); !errors.Is(err, store.ErrUnavailable) || !slices.Equal(kids(t, a), before) {
		t.Errorf("a rotation that is due: %v", err)
	}
	restarted := w.open(aOpts)
	w.verify(w.mint(restarted, leafSvc), true, a, restarted)
	w.clock.advance(5 * 24 * time.Hour)
	if err := a.Sync(t.Context()); !errors.Is(err, store.ErrUnavailable) || slices.Equal(kids(t, a), before) {
		t.Errorf("a rotation that cannot wait: %v", err)
	}
	fresh := w.mint(a, leafSvc)

	w.store.down.Store(false)
	w.sync(a)
	w.verify(fresh, true, a, b)
	w.verify(w.mint(c, leafSvc), true, a)
}
