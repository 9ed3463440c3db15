package tokens_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/tokens"
)

func TestStaticKeyIsReplacedInTwoSteps(t *testing.T) {
	w := newWorld(t)
	aOpts := w.options("a")
	a, b := w.open(aOpts), w.replica("b")
	awayOpts := w.options("away")
	w.open(awayOpts)
	oldCert, oldToken := a.StaticCert(kidSvc), w.mint(a, kidSvc)
	command := w.command(aOpts)

	next, err := command.PrepareStatic(t.Context(), kidSvc, order)
	if err != nil {
		t.Fatal(err)
	}
	w.sync(a, b)
	for _, k := range []*tokens.Keys{a, b, w.replica("new")} {
		if !slices.Contains(kids(t, k), next.KeyID) || !bytes.Contains(w.read(k.JWKSFile()), []byte(next.KeyID)) {
			t.Error("the prepared key is not in the JWKS")
		}
		if !bytes.Equal(k.StaticCert(kidSvc), oldCert) {
			t.Error("the prepared key signs already")
		}
	}
	if _, err := command.PrepareStatic(t.Context(), kidSvc, order); err == nil || !strings.Contains(err.Error(), "prepared already") {
		t.Errorf("a second key is prepared: %v", err)
	}

	now, before, err := command.SwitchStatic(t.Context(), kidSvc, false, order)
	if err != nil || now.KeyID != next.KeyID || len(before) != 1 {
		t.Fatalf("%v %v %v", now.KeyID, before, err)
	}
	w.sync(a, b)
	away := w.open(awayOpts) // was down all the time
	for _, k := range []*tokens.Keys{a, b, away} {
		if bytes.Equal(k.StaticCert(kidSvc), oldCert) || !bytes.Equal(w.read(k.TrustFile(kidSvc)), k.StaticCert(kidSvc)) {
			t.Error("the old key signs on, or its file is still there")
		}
		if len(kids(t, k)) < 2 || !slices.Contains(kids(t, k), before[0].KeyID) {
			t.Error("the key before is not in the JWKS while its tokens live")
		}
		w.verify(oldToken, true, k)
		w.verify(w.mint(k, kidSvc), true, a, b, away)
	}
	w.clock.advance(ttl + 2*time.Minute)
	w.sync(a, b)
	w.verify(oldToken, false, a, b)
	if slices.Contains(kids(t, a), before[0].KeyID) {
		t.Error("the key before is still in the JWKS")
	}
	for _, r := range w.records() {
		if r.State == tokens.StateRetired && slices.ContainsFunc(r.Seals, func(s tokens.Seal) bool { return s.Private != nil }) {
			t.Error("the store still holds the private half of a key that signs no more")
		}
	}
}

func TestStaticKeyIsReplacedAtOnce(t *testing.T) {
	for _, revoke := range []bool{false, true} {
		w := newWorld(t)
		opts := w.options("a")
		a, b := w.open(opts), w.replica("b")
		old := w.mint(a, kidSvc)
		command := w.command(opts)
		prepared, err := command.PrepareStatic(t.Context(), kidSvc, order)
		if err != nil {
			t.Fatal(err)
		}
		now, before, err := command.SwitchStatic(t.Context(), kidSvc, revoke, order)
		if err != nil {
			t.Fatal(err)
		}
		// Whoever has stolen one key may have the prepared one, too.
		if (now.KeyID == prepared.KeyID) == revoke || len(before) != map[bool]int{false: 1, true: 2}[revoke] {
			t.Errorf("revoke %v: the prepared key signs: %v, %d before", revoke, now.KeyID == prepared.KeyID, len(before))
		}
		w.announce(a, b)
		w.verify(old, !revoke, a, b)
		w.sync(a, b)
		w.verify(old, !revoke, a, b)
		w.verify(w.mint(b, kidSvc), true, a, b)
		w.verify(w.mint(a, leafSvc), true, b)
	}
}

// A key of the service that nobody here vouches for, such as one under a CA that
// is gone, is put out of the way and never trusted.
func TestStaticKeyUnderAnotherCAIsReplaced(t *testing.T) {
	w := newWorld(t)
	foreign := w.mint(w.replica("foreign"), kidSvc)
	w.ca = nil
	opts := w.options("a")
	if _, err := tokens.Open(opts); err == nil || !strings.Contains(err.Error(), "another signing CA") {
		t.Fatalf("got %v", err)
	}
	if _, _, err := w.command(opts).SwitchStatic(t.Context(), kidSvc, false, order); err != nil {
		t.Fatal(err)
	}
	a := w.open(opts)
	w.verify(w.mint(a, kidSvc), true, a)
	w.verify(foreign, false, a)
}
