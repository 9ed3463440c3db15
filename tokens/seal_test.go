package tokens

import (
	"crypto/elliptic"
	"testing"
)

// Even a record that we seal ourselves does not open another record's private key:
// it is bound to its kid and its service.
func TestPrivateKeyIsBoundToItsRecord(t *testing.T) {
	ca := makePair(t, newEC(t, elliptic.P256()), nil, nil)
	g := mustOpen(t, operatorOptions(t, pkcs8(ca.key), ca)).state.Load().ring
	a, err := g.seal(Record{KeyID: "a", Service: "zot"}, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := g.private(&a); err != nil || string(got) != "secret" {
		t.Fatalf("%q, %v", got, err)
	}
	for _, b := range []Record{{KeyID: "b", Service: "zot"}, {KeyID: "a", Service: "other"}, {KeyID: "a"}} {
		mac, err := g.sealers[0].authenticate(&b, a.Seals[0].Private)
		if err != nil {
			t.Fatal(err)
		}
		b.Seals = []Seal{{Authority: a.Seals[0].Authority, MAC: mac, Private: a.Seals[0].Private}}
		if got, err := g.private(&b); err == nil {
			t.Errorf("record %s of %q holds %q", b.KeyID, b.Service, got)
		}
	}
}

// What is read back is what was written, for every type of key.
func TestJWKComesBack(t *testing.T) {
	for _, alg := range []Algorithm{ES256, RS256, EdDSA} {
		key, err := alg.generate()
		if err != nil {
			t.Fatal(err)
		}
		public, err := publicJWK(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		set, err := keySet([]jwk{public})
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseJWK(set[len(`{"keys":[`) : len(set)-len(`]}`)])
		if err != nil || !samePublicKey(got, key.Public()) {
			t.Errorf("%s: %v, %v", alg, got, err)
		}
	}
}

// FuzzParseJWK: whatever a row of the store holds is a key that can be written
// again, or an error.
func FuzzParseJWK(f *testing.F) {
	for _, seed := range []string{
		`{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB"}`, `{"kty":"RSA","n":"","e":"AAAA"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, `{"kty":"oct","k":"x"}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parseJWK(data)
		if err != nil {
			return
		}
		public, err := publicJWK(key)
		if err != nil {
			return // too weak to sign tokens
		}
		if public.KeyID == "" {
			t.Errorf("%s has no thumbprint", data)
		}
	})
}
