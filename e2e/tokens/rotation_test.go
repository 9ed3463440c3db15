package tokens

import (
	"context"
	"crypto/x509"
	"os"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
	product "drawbridge/tokens"

	"github.com/golang-jwt/jwt/v5"
)

// A registry reads its bundle once. Leaves rotate, the process restarts, the
// setting of the algorithm changes: tokens before and after verify.
func TestLeafRotatesWhileRegistriesRun(t *testing.T) {
	cert, key := openssl(t, rsa4096())
	for _, tt := range []struct {
		name string
		opts product.Options
	}{
		{"under the CA made here", product.Options{}},
		{"under a plain openssl certificate", product.Options{CACertFile: cert, CAKeyFile: key}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := tt.opts
			opts.Dir = t.TempDir()
			keys := open(t, opts)
			tokens := []string{mint(t, keys)}
			var registries []*testbed.Registry
			for _, version := range everywhere() {
				registries = append(registries, testbed.StartRegistry(t, version, trust{bundle: keys.SigningCA()}.options(t)))
			}
			for range 2 {
				if err := keys.Rotate(context.Background()); err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, mint(t, keys))
			}
			tokens = append(tokens, mint(t, open(t, opts))) // a restart
			opts.Algorithm = product.RS256
			tokens = append(tokens, mint(t, open(t, opts))) // a restart with another algorithm
			for _, r := range registries {
				for _, token := range tokens {
					expect(t, r, token, true)
				}
			}
			if kidOf(t, tokens[0]) == kidOf(t, tokens[1]) || kidOf(t, tokens[2]) != kidOf(t, tokens[3]) {
				t.Error("a rotation keeps the key, or a restart changes it")
			}
		})
	}
}

// A static key stays through rotations and restarts, so that a registry that has
// read the JWKS once verifies all of them.
func TestStaticKeyOutlivesRotationAndRestart(t *testing.T) {
	t.Parallel()
	opts := product.Options{Dir: t.TempDir(), Registries: []product.Registry{
		{Service: service, Form: product.FormKID}, {Service: "another", Form: product.FormX5C},
	}}
	keys := open(t, opts)
	tokens := []string{mint(t, keys)}
	var registries []*testbed.Registry
	for _, version := range on3() {
		registries = append(registries, testbed.StartRegistry(t, version, trust{jwks: keys.JWKS()}.options(t)))
	}
	if err := keys.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	tokens = append(tokens, mint(t, keys), mint(t, open(t, opts)))
	for _, r := range registries {
		for _, token := range tokens {
			expect(t, r, token, true)
		}
	}
}

// A registry gives an expired leaf no leeway, though it gives the token's exp 60
// seconds: why leaves outlive tokens by days.
func TestExpiredLeafFailsAtOnce(t *testing.T) {
	t.Parallel()
	ca := issue(t, ecKey(t), nil, isCA)
	expired := issue(t, ecKey(t), &ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-2 * time.Second) })
	alive := issue(t, ecKey(t), &ca, nil)
	justOver, longOver := payload(), payload()
	justOver["exp"] = time.Now().Add(-30 * time.Second).Unix()
	longOver["exp"] = time.Now().Add(-90 * time.Second).Unix()
	for _, version := range everywhere() {
		r := testbed.StartRegistry(t, version, trust{bundle: ca.pem()}.options(t))
		expect(t, r, signLocal(t, jwt.SigningMethodES256, alive.key, x5c(alive), payload()), true)
		expect(t, r, signLocal(t, jwt.SigningMethodES256, expired.key, x5c(expired), payload()), false)
		expect(t, r, signLocal(t, jwt.SigningMethodES256, alive.key, x5c(alive), justOver), true)
		expect(t, r, signLocal(t, jwt.SigningMethodES256, alive.key, x5c(alive), longOver), false)
	}
}

// zotVerify is what zot 2.1 does with a bearer token: one public key out of the
// configured certificate, the registered claims with no leeway, and no look at
// issuer, audience, kid or x5c.
func zotVerify(t *testing.T, certFile, token string, now time.Time) error {
	t.Helper()
	content, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	cert := parseCert(t, content)
	var claims struct {
		jwt.RegisteredClaims
		Access []product.Access `json:"access"`
	}
	_, err = jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return cert.PublicKey, nil },
		jwt.WithTimeFunc(func() time.Time { return now }))
	if err == nil && (len(claims.Access) != 1 || claims.Access[0].Name != "library/app") {
		t.Errorf("the access claim reads as %v", claims.Access)
	}
	return err
}

// zot cannot be installed here; its preset is checked by its rules.
func TestZotPreset(t *testing.T) {
	for _, alg := range []product.Algorithm{product.ES256, product.RS256, product.EdDSA} {
		opts := product.Options{Algorithm: alg, Dir: t.TempDir(), Registries: []product.Registry{
			{Service: service, Form: product.FormKID}, {Service: "other zot", Form: product.FormKID}, {Service: "x5c", Form: product.FormX5C},
		}}
		keys := open(t, opts)
		certFile := keys.TrustFile(service)
		before, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		tokens := []string{mint(t, keys)}
		if err := keys.Rotate(context.Background()); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, mint(t, keys), mint(t, open(t, opts)))
		for i, token := range tokens {
			// zot's clock may be a minute behind, and it knows no leeway.
			for _, skew := range []time.Duration{0, -55 * time.Second} {
				if err := zotVerify(t, certFile, token, time.Now().Add(skew)); err != nil {
					t.Errorf("%s, token %d, clock %s off: %v", alg, i, skew, err)
				}
			}
			if zotVerify(t, certFile, token, time.Now().Add(ttl+time.Second)) == nil {
				t.Errorf("%s: a token verifies after its end", alg)
			}
			if _, ok := headerOf(t, token)["x5c"]; ok {
				t.Errorf("%s: a kid token carries x5c", alg)
			}
		}
		if after, _ := os.ReadFile(certFile); string(after) != string(before) {
			t.Errorf("%s: the trust file changed", alg)
		}
		for _, other := range []string{"other zot", "x5c"} {
			c := claims()
			c.Audience = other
			token, err := keys.Mint(other, c)
			if err != nil {
				t.Fatal(err)
			}
			if zotVerify(t, certFile, token, time.Now()) == nil {
				t.Errorf("%s: zot, which checks no audience, takes the token of %q", alg, other)
			}
		}
	}
}
