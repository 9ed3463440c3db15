package verify3

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"drawbridge/tokens"

	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

const (
	service = "Docker registry"
	issuer  = "Acme auth server"
	// freshKeys is how many leaves are tried: one EC key in 128 has a leading
	// zero byte in a coordinate, one signature in 128 in one half.
	freshKeys = 400
)

func roots(t *testing.T, bundle []byte) *x509.CertPool {
	t.Helper()
	block, _ := pem.Decode(bundle)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// verify is the check of a registry with the bundle and, for the kid form, keys.
func verify(raw string, pool *x509.CertPool, trusted map[string]crypto.PublicKey) (*token.ClaimSet, error) {
	parsed, err := token.NewToken(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA})
	if err != nil {
		return nil, err
	}
	return parsed.Verify(token.VerifyOptions{
		TrustedIssuers: []string{issuer}, AcceptedAudiences: []string{service},
		Roots: pool, TrustedKeys: trusted,
	})
}

// Every leaf and every signature of the default verifies, not only most.
func TestManyKeysAndSignatures(t *testing.T) {
	keys, err := tokens.Open(tokens.Options{
		Dir: t.TempDir(), LongestTTL: 5 * time.Minute, Registries: []tokens.Registry{{Service: service}},
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := roots(t, keys.SigningCA())
	now := time.Now()
	for i := range freshKeys {
		raw, err := keys.Mint(service, tokens.Claims{
			Issuer: issuer, Audience: service, Subject: "corp/alice", ID: "an-id", IssuedAt: now, TTL: 5 * time.Minute,
			Session: "a-session", AuthTime: now, // which no registry knows
			Access: []tokens.Access{{Type: "repository", Name: "library/app", Actions: []string{"pull"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := verify(raw, pool, nil)
		if err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
		want := &token.ClaimSet{
			Issuer: issuer, Subject: "corp/alice", Audience: token.AudienceList{service}, JWTID: "an-id",
			IssuedAt: now.Unix() - 60, NotBefore: now.Unix() - 60, Expiration: now.Unix() + 300,
			Access: []*token.ResourceActions{{Type: "repository", Name: "library/app", Actions: []string{"pull"}}},
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Fatal(diff)
		}
		if err := keys.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The anonymous caller's token, as small as it gets, is well-formed: an empty
// subject and an empty access list are present and not null.
func TestAnonymousWithoutAccess(t *testing.T) {
	keys, err := tokens.Open(tokens.Options{
		Dir: t.TempDir(), LongestTTL: time.Minute, Registries: []tokens.Registry{{Service: service}},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := keys.Mint(service, tokens.Claims{Issuer: issuer, Audience: service, ID: "an-id", IssuedAt: time.Now(), TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verify(raw, roots(t, keys.SigningCA()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Access == nil || len(claims.Access) != 0 || claims.Subject != "" {
		t.Errorf("%+v", claims)
	}
}

// The thumbprint that 3.1 computes of each static key is the kid of its tokens:
// no key has a coordinate that 3.1 would shorten.
func TestThumbprintsAgree(t *testing.T) {
	for _, alg := range []tokens.Algorithm{tokens.ES256, tokens.EdDSA, tokens.RS256} {
		many := freshKeys
		if alg == tokens.RS256 {
			many = 3 // RSA keys are slow to make and have no such case
		}
		var registries []tokens.Registry
		for i := range many {
			registries = append(registries, tokens.Registry{Service: fmt.Sprintf("service %d", i), Form: tokens.FormKID})
		}
		keys, err := tokens.Open(tokens.Options{Dir: t.TempDir(), Algorithm: alg, LongestTTL: time.Minute, Registries: registries})
		if err != nil {
			t.Fatal(err)
		}
		for kid, public := range keys.PublicKeys() {
			if got := token.GetJWKThumbprint(public); got != kid {
				t.Errorf("%s: 3.1 computes %s, the kid is %s", alg, got, kid)
			}
		}
	}
}

// The published JWKS reads with the library that the registry reads it with, and
// its keys verify the tokens of the kid form.
func TestJWKSVerifies(t *testing.T) {
	for _, alg := range []tokens.Algorithm{tokens.ES256, tokens.EdDSA, tokens.RS256} {
		keys, err := tokens.Open(tokens.Options{
			Dir: t.TempDir(), Algorithm: alg, LongestTTL: time.Minute,
			Registries: []tokens.Registry{{Service: service, Form: tokens.FormKID}, {Service: "x5c"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(keys.JWKS(), &set); err != nil {
			t.Fatal(err)
		}
		trusted := map[string]crypto.PublicKey{}
		for _, key := range set.Keys {
			if !key.Valid() || !key.IsPublic() {
				t.Errorf("%s: key %s is not a valid public key", alg, key.KeyID)
			}
			trusted[key.KeyID] = key.Public()
		}
		raw, err := keys.Mint(service, tokens.Claims{Issuer: issuer, Audience: service, ID: "an-id", IssuedAt: time.Now(), TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(raw, x509.NewCertPool(), trusted); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}
