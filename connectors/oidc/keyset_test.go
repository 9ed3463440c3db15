package oidc

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"drawbridge/configs"
)

// keysUnderTest returns the key set of a running provider, and its clock.
func keysUnderTest(t *testing.T, p *idp) (*keySet, *fakeClock) {
	t.Helper()
	clock := new(fakeClock)
	c := p.connector(func(_ *configs.Connector, deps *Deps) { deps.Clock = clock.now })
	_, keys, err := c.provider.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys, clock
}

// TestBadTokensCostFewFetches is a flood of 1,000 tokens that nobody signed, half
// of them with a key ID of their own, over 100 seconds.
func TestBadTokensCostFewFetches(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	keys, clock := keysUnderTest(t, p)
	evil := newSigner(t, "k1")
	for i := range 1000 {
		if evil.kid = "k1"; i%2 == 0 {
			evil.kid = fmt.Sprint("evil-", i)
		}
		if _, err := keys.VerifySignature(t.Context(), evil.sign(p.claims(nil))); err == nil {
			t.Fatal("verified")
		}
		clock.advance(100 * time.Millisecond)
	}
	if n := p.jwks.Load(); n > 11 {
		t.Errorf("1,000 bad tokens cost %d fetches", n)
	}
	if len(keys.missing) > maxMissing {
		t.Errorf("%d bad key IDs are remembered", len(keys.missing))
	}
	if _, err := keys.VerifySignature(t.Context(), key.sign(p.claims(nil))); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

// TestOneBadKID presents the same bad key ID for five minutes.
func TestOneBadKID(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	keys, clock := keysUnderTest(t, p)
	token := newSigner(t, "evil").sign(p.claims(nil))
	for range 300 {
		if _, err := keys.VerifySignature(t.Context(), token); err == nil {
			t.Fatal("verified")
		}
		clock.advance(time.Second)
	}
	if n := p.jwks.Load(); n > 6 {
		t.Errorf("%d fetches in five minutes", n)
	}
}

func TestRotation(t *testing.T) {
	p, old, fresh := newIDP(t), newSigner(t, "old"), newSigner(t, "new")
	p.serve(old, nil)
	keys, clock := keysUnderTest(t, p)
	verify := func(s signer) error {
		_, err := keys.VerifySignature(t.Context(), s.sign(p.claims(nil)))
		return err
	}
	if err := verify(old); err != nil {
		t.Fatal(err)
	}
	p.set(func() { p.keys = []jose.JSONWebKey{old.public(), fresh.public()} })
	clock.advance(keysCooldown)
	if err := verify(fresh); err != nil {
		t.Errorf("a new key: %v", err)
	}
	p.set(func() { p.keys = []jose.JSONWebKey{fresh.public()} })
	clock.advance(keysFresh)
	if err := verify(old); err == nil {
		t.Error("a key that was withdrawn an hour ago verifies")
	}
	if err := verify(fresh); err != nil {
		t.Error(err)
	}
}

// TestKeysDown lets the provider stop serving its keys.
func TestKeysDown(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	keys, clock := keysUnderTest(t, p)
	verify := func() error {
		_, err := keys.VerifySignature(t.Context(), key.sign(p.claims(nil)))
		return err
	}
	p.set(func() { p.down = true })
	if err := verify(); err == nil || !strings.Contains(err.Error(), "status 502") {
		t.Errorf("no keys yet: %v", err)
	}
	p.set(func() { p.down = false })
	if err := verify(); err == nil {
		t.Error("fetched within the cooldown")
	}
	clock.advance(keysCooldown)
	if err := verify(); err != nil {
		t.Errorf("after the cooldown: %v", err)
	}
	p.set(func() { p.down = true })
	for range 2 { // the second time within the cooldown
		clock.advance(keysFresh)
		if err := verify(); err != nil {
			t.Errorf("old keys are not used on: %v", err)
		}
		if err := verify(); err != nil {
			t.Errorf("old keys are not used on within the cooldown: %v", err)
		}
	}
	clock.advance(keysUsable)
	if err := verify(); err == nil {
		t.Error("keys of yesterday verify")
	}
	// An empty set is a mistake of the provider and does not lock everybody out.
	p.set(func() { p.down, p.keys = false, nil })
	if err := verify(); err == nil {
		t.Error("verified with no keys")
	}
}

func TestTokenWithoutKID(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "")
	p.serve(newSigner(t, "other"), nil)
	p.set(func() { p.keys = append(p.keys, key.public()) })
	keys, _ := keysUnderTest(t, p)
	if _, err := keys.VerifySignature(t.Context(), key.sign(p.claims(nil))); err != nil {
		t.Error(err)
	}
}

func TestParseKeys(t *testing.T) {
	good := newSigner(t, "good")
	private, err := json.Marshal(jose.JSONWebKey{Key: good.priv, KeyID: "private"})
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(good.public())
	if err != nil {
		t.Fatal(err)
	}
	raw := []json.RawMessage{
		[]byte(`{"kty":"AKP","kid":"post-quantum"}`),
		[]byte(`{"kty":"oct","kid":"symmetric","k":"c2VjcmV0"}`),
		[]byte(`{"kty":"EC","crv":"P-256","kid":"off-curve","x":"AQ","y":"AQ"}`),
		[]byte(strings.Replace(string(public), `"sig"`, `"enc"`, 1)),
		[]byte(`7`), private, public,
	}
	var got []string
	for _, key := range parseKeys(raw) {
		got = append(got, key.KeyID)
	}
	if diff := cmp.Diff([]string{"good"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`[{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"},{"kty":"oct","k":"YQ"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var raw []json.RawMessage
		if json.Unmarshal(data, &raw) != nil {
			return
		}
		for _, key := range parseKeys(raw) {
			if !key.IsPublic() || !key.Valid() {
				t.Errorf("accepted %T", key.Key)
			}
		}
	})
}
