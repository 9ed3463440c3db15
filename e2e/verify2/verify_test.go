package verify2

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"drawbridge/tokens"

	"github.com/docker/distribution/registry/auth/token"
	"github.com/docker/libtrust"
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

func verify(raw string, pool *x509.CertPool) (*token.ClaimSet, error) {
	parsed, err := token.NewToken(raw)
	if err != nil {
		return nil, err
	}
	err = parsed.Verify(token.VerifyOptions{
		TrustedIssuers: []string{issuer}, AcceptedAudiences: []string{service},
		Roots: pool, TrustedKeys: map[string]libtrust.PublicKey{},
	})
	return parsed.Claims, err
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
		claims, err := verify(raw, pool)
		if err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
		want := &token.ClaimSet{
			Issuer: issuer, Subject: "corp/alice", Audience: service, JWTID: "an-id",
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
	claims, err := verify(raw, roots(t, keys.SigningCA()))
	if err != nil {
		t.Fatal(err)
	}
	if claims.Access == nil || len(claims.Access) != 0 || claims.Subject != "" {
		t.Errorf("%+v", claims)
	}
}
