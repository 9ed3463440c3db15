package tokens

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/store/feed"
)

func newVerifier(t testing.TB, k *Keys) *Verifier {
	t.Helper()
	v := NewVerifier(k)
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestVerifierAnswersAsTheKeysDo(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	k := mustOpen(t, opts)
	v := newVerifier(t, k)
	for _, service := range []string{x5cName, kidName} {
		token := mustMint(t, k, service)
		want, err := k.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		want.Access = nil
		for range 2 { // the second answer is a remembered one
			got, err := v.Verify(token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		if _, err := v.Verify(token + "x"); err == nil {
			t.Error("a changed token verifies")
		}
	}
	if n := v.good.EstimatedSize(); n != 2 {
		t.Errorf("%d tokens are remembered, want the 2 good ones", n)
	}
}

// Whether or not a token is remembered, it ends at the same moment.
func TestVerifierLooksAtTheTimeEachTime(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	k := mustOpen(t, opts)
	v := newVerifier(t, k)
	token := mustMint(t, k, x5cName)
	if _, err := v.Verify(token); err != nil {
		t.Fatal(err)
	}
	clock.advance(testTTL + Leeway - time.Second)
	for what, v := range map[string]*Verifier{"remembered": v, "new": newVerifier(t, k)} {
		if _, err := v.Verify(token); err != nil {
			t.Errorf("%s, as long as registries take it: %v", what, err)
		}
	}
	clock.advance(time.Second)
	for what, v := range map[string]*Verifier{"remembered": v, "new": newVerifier(t, k)} {
		if _, err := v.Verify(token); err == nil {
			t.Errorf("%s: verifies when no registry takes it any more", what)
		}
	}
	if _, err := k.Verify(token); err == nil {
		t.Error("Keys.Verify has a leeway")
	}
}

// A key that is gone takes its tokens with it, also those that are remembered.
func TestVerifierForgetsAKeyThatIsGone(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	v := newVerifier(t, k)
	token := mustMint(t, k, x5cName)
	c, err := v.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	without := *k.shared.view.Load()
	without.public = map[string]publicKey{}
	k.shared.view.Store(&without)
	if _, err := v.Verify(token); err == nil {
		t.Errorf("a token of the key %s verifies after the key is gone", c.KeyID)
	}
}

// A revoked key does so, too, at the moment the change arrives.
func TestVerifierForgetsARevokedKey(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	v := newVerifier(t, k)
	token := mustMint(t, k, x5cName)
	c, err := v.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	k.Apply(feed.Change{Kind: feed.RevokeKey, Value: c.KeyID})
	if _, err := v.Verify(token); err == nil {
		t.Error("a token of a revoked key verifies")
	}
}

func TestVerifierIsBounded(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	v := newVerifier(t, k)
	entry := Claims{ID: "an-id", Subject: "corp/alice", IssuedAt: time.Now(), TTL: testTTL}
	for i := range 200_000 {
		v.good.Set([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, entry)
	}
	v.good.CleanUp()
	if got := v.good.WeightedSize(); got == 0 || got > rememberedBytes {
		t.Errorf("%d bytes are remembered, the bound is %d", got, rememberedBytes)
	}
}

func TestVerifierAtOnce(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	v := newVerifier(t, k)
	var all []string
	for i := range 8 {
		c := claimsFor(x5cName, time.Now())
		c.ID = fmt.Sprint(i)
		token, err := k.Mint(x5cName, c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, token)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for round := range 20 {
				for i, token := range all {
					if c, err := v.Verify(token); err != nil || c.ID != fmt.Sprint(i) {
						t.Errorf("round %d: token %d: %+v, %v", round, i, c, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// A token that is remembered costs its digest, for which it is copied, and no more.
func TestVerifierAllocatesOnce(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	v := newVerifier(t, k)
	token := mustMint(t, k, x5cName)
	if _, err := v.Verify(token); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Verify(token) }); n > 1 {
		t.Errorf("%v allocations, want one", n)
	}
}

func BenchmarkVerifier(b *testing.B) {
	k := mustOpen(b, testOptions(b))
	v := newVerifier(b, k)
	token := mustMint(b, k, x5cName)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
