package tokens

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"drawbridge/e2e/testbed"
	product "drawbridge/tokens"

	"github.com/golang-jwt/jwt/v5"
)

// The versions a row of the matrix verifies on.
func everywhere() []string { return testbed.RegistryVersions() }
func on3() []string        { return []string{testbed.Registry300, testbed.Registry311} }
func only(v string) []string {
	return []string{v}
}

// A row is one token form: what the registry trusts, and a token.
type row struct {
	name string
	make func(t *testing.T) (trust, string)
	// versions are those the row is tried on; nil is all of them.
	versions []string
	// ok are those that verify the token.
	ok []string
}

func runMatrix(t *testing.T, rows []row) {
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			trusted, token := tt.make(t)
			versions := tt.versions
			if versions == nil {
				versions = everywhere()
			}
			for _, version := range versions {
				r := testbed.StartRegistry(t, version, trusted.options(t))
				if got := get(t, r, "/v2/", ""); got != 401 {
					t.Errorf("registry %s answers %d without a token", version, got)
				}
				expect(t, r, token, slices.Contains(tt.ok, version))
				r.Stop()
			}
		})
	}
}

// underOperator returns a row's maker for tokens under an operator's files.
func underOperator(alg product.Algorithm, newkey []string, more ...string) func(*testing.T) (trust, string) {
	return func(t *testing.T) (trust, string) {
		cert, key := openssl(t, newkey, more...)
		keys := open(t, product.Options{Algorithm: alg, CACertFile: cert, CAKeyFile: key})
		mounted, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		return trust{bundle: mounted}, mint(t, keys)
	}
}

func underOwnCA(alg product.Algorithm) func(*testing.T) (trust, string) {
	return func(t *testing.T) (trust, string) {
		keys := open(t, product.Options{Algorithm: alg})
		return trust{bundle: keys.SigningCA()}, mint(t, keys)
	}
}

func rsa4096() []string { return []string{"-newkey", "rsa:4096"} }
func p256() []string    { return []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"} }
func noCA() []string    { return []string{"-addext", "basicConstraints=critical,CA:FALSE"} }

// What the product makes.
func TestProductForms(t *testing.T) {
	runMatrix(t, []row{
		{name: "the default: an ES256 leaf under the CA made here", make: underOwnCA(""), ok: everywhere()},
		{name: "RS256 leaf under the EC CA", make: underOwnCA(product.RS256), ok: everywhere()},
		{name: "EdDSA leaf under the EC CA", make: underOwnCA(product.EdDSA), ok: on3()},
		{name: "ES256 leaf under a plain openssl RSA-4096 certificate", make: underOperator(product.ES256, rsa4096()), ok: everywhere()},
		{name: "RS256 leaf under a plain openssl RSA-4096 certificate", make: underOperator(product.RS256, rsa4096()), ok: everywhere()},
		{name: "ES256 leaf under a plain openssl EC certificate", make: underOperator(product.ES256, p256()), ok: everywhere()},
		{name: "RS256 leaf under a plain openssl EC certificate", make: underOperator(product.RS256, p256()), ok: everywhere()},
		{name: "RSA certificate that is no CA signs directly", make: underOperator(product.RS256, rsa4096(), noCA()...), ok: everywhere()},
		{name: "EC certificate that is no CA signs directly", make: underOperator(product.ES256, p256(), noCA()...), ok: everywhere()},
		{name: "chain file, the issuing CA is mounted", make: underChain(false), ok: everywhere()},
		{name: "chain file, the root is mounted", make: underChain(true), ok: everywhere()},
		{name: "kid form, ES256, JWKS only", make: kidForm(product.ES256, true), versions: on3(), ok: on3()},
		{name: "kid form, RS256, JWKS only", make: kidForm(product.RS256, true), versions: on3(), ok: on3()},
		{name: "kid form, EdDSA, JWKS only", make: kidForm(product.EdDSA, true), versions: on3(), ok: on3()},
		{name: "kid form, ES256, certificate in the bundle", make: kidForm(product.ES256, false), ok: only(testbed.Registry311)},
		{name: "kid form, RS256, certificate in the bundle", make: kidForm(product.RS256, false), ok: on3()},
		{name: "x5c form at a registry with the JWKS only", make: x5cAgainstJWKS, versions: on3()},
	})
}

// underChain signs under an intermediate CA whose file also holds the root.
func underChain(mountRoot bool) func(*testing.T) (trust, string) {
	return func(t *testing.T) (trust, string) {
		root := issue(t, rsaKey(t), nil, isCA)
		issuing := issue(t, ecKey(t), &root, isCA)
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
		write(t, certFile, append(issuing.pem(), root.pem()...))
		write(t, keyFile, keyPEM(t, issuing))
		keys := open(t, product.Options{CACertFile: certFile, CAKeyFile: keyFile})
		if mountRoot {
			return trust{bundle: root.pem()}, mint(t, keys)
		}
		if !bytes.Equal(keys.SigningCA(), issuing.pem()) {
			t.Error("SigningCA is not the issuing CA alone")
		}
		return trust{bundle: keys.SigningCA()}, mint(t, keys)
	}
}

func kidForm(alg product.Algorithm, jwks bool) func(*testing.T) (trust, string) {
	return func(t *testing.T) (trust, string) {
		keys := open(t, product.Options{Algorithm: alg, Registries: []product.Registry{{Service: service, Form: product.FormKID}}})
		if jwks {
			return trust{jwks: keys.JWKS()}, mint(t, keys)
		}
		return trust{bundle: keys.StaticCert(service)}, mint(t, keys)
	}
}

func x5cAgainstJWKS(t *testing.T) (trust, string) {
	keys := open(t, product.Options{})
	return trust{jwks: keys.JWKS()}, mint(t, keys)
}

// Forms the product does not make: why it makes the others.
func TestOtherForms(t *testing.T) {
	runMatrix(t, []row{
		{name: "x5c, self-signed certificate in the bundle", ok: everywhere(), make: func(t *testing.T) (trust, string) {
			p := issue(t, ecKey(t), nil, nil)
			return trust{bundle: p.pem()}, signLocal(t, jwt.SigningMethodES256, p.key, x5c(p), payload())
		}},
		{name: "x5c, leaf and CA, CA in the bundle", ok: everywhere(), make: func(t *testing.T) (trust, string) {
			ca := issue(t, rsaKey(t), nil, isCA)
			leaf := issue(t, ecKey(t), &ca, nil)
			return trust{bundle: ca.pem()}, signLocal(t, jwt.SigningMethodES256, leaf.key, x5c(leaf, ca), payload())
		}},
		{name: "kid libtrust, EC", ok: only(testbed.Registry28), make: func(t *testing.T) (trust, string) {
			p := issue(t, fullKey(t), nil, nil)
			return trust{bundle: p.pem()}, signLocal(t, jwt.SigningMethodES256, p.key, kid(libtrustID(t, p.key.Public())), payload())
		}},
		{name: "kid libtrust, RSA", ok: only(testbed.Registry28), make: func(t *testing.T) (trust, string) {
			p := issue(t, rsaKey(t), nil, nil)
			return trust{bundle: p.pem()}, signLocal(t, jwt.SigningMethodRS256, p.key, kid(libtrustID(t, p.key.Public())), payload())
		}},
		{name: "kid RFC 7638, EC", ok: only(testbed.Registry311), make: func(t *testing.T) (trust, string) {
			p := issue(t, fullKey(t), nil, nil)
			return trust{bundle: p.pem()}, signLocal(t, jwt.SigningMethodES256, p.key, kid(thumbprint(t, p.key.Public())), payload())
		}},
		{name: "kid RFC 7638, EC with a leading zero byte", ok: nil, make: func(t *testing.T) (trust, string) {
			p := issue(t, shortKey(t), nil, nil)
			return trust{bundle: p.pem()}, signLocal(t, jwt.SigningMethodES256, p.key, kid(thumbprint(t, p.key.Public())), payload())
		}},
		{name: "kid RFC 7638, RSA", ok: on3(), make: func(t *testing.T) (trust, string) {
			p := issue(t, rsaKey(t), nil, nil)
			return trust{bundle: p.pem()}, signLocal(t, jwt.SigningMethodRS256, p.key, kid(thumbprint(t, p.key.Public())), payload())
		}},
		{name: "kid of any value in a JWKS", versions: on3(), ok: on3(), make: func(t *testing.T) (trust, string) {
			key := ecKey(t)
			return trust{jwks: keySetOf(t, "any value", &key.PublicKey)}, signLocal(t, jwt.SigningMethodES256, key, kid("any value"), payload())
		}},
		{name: "PS256, x5c", ok: on3(), make: func(t *testing.T) (trust, string) {
			ca := issue(t, ecKey(t), nil, isCA)
			leaf := issue(t, rsaKey(t), &ca, nil)
			return trust{bundle: ca.pem()}, signLocal(t, jwt.SigningMethodPS256, leaf.key, x5c(leaf), payload())
		}},
		{name: "x5c that fails does not fall back to a good kid", versions: on3(), make: func(t *testing.T) (trust, string) {
			key, ca := ecKey(t), issue(t, ecKey(t), nil, isCA)
			stranger := issue(t, key, nil, nil)
			header := x5c(stranger)
			header["kid"] = "listed"
			return trust{bundle: ca.pem(), jwks: keySetOf(t, "listed", &key.PublicKey)}, signLocal(t, jwt.SigningMethodES256, key, header, payload())
		}},
		{name: "signingalgorithms without the token's", versions: on3(), make: func(t *testing.T) (trust, string) {
			trusted, token := underOwnCA(product.ES256)(t)
			trusted.algs = []string{"RS256"}
			return trusted, token
		}},
		{name: "signingalgorithms with the token's", versions: on3(), ok: on3(), make: func(t *testing.T) (trust, string) {
			trusted, token := underOwnCA(product.ES256)(t)
			trusted.algs = []string{"ES256"}
			return trusted, token
		}},
	})
}

// Files that keep a registry from starting: why they are never written.
func TestFilesThatStopARegistry(t *testing.T) {
	ed := issue(t, edKey(t), nil, isCA)
	for _, tt := range []struct {
		name    string
		version string
		trust   trust
	}{
		{"an Ed25519 certificate in the bundle of 2.8", testbed.Registry28, trust{bundle: ed.pem()}},
		{"a JWKS alone at 2.8", testbed.Registry28, trust{jwks: open(t, product.Options{}).JWKS()}},
		{"an unknown kty in the JWKS of 3.0", testbed.Registry300, trust{jwks: []byte(`{"keys":[{"kty":"AKP","kid":"a"}]}`)}},
		{"an unknown kty in the JWKS of 3.1", testbed.Registry311, trust{jwks: []byte(`{"keys":[{"kty":"AKP","kid":"a"}]}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if r, err := testbed.TryRegistry(t, tt.version, tt.trust.options(t)); err == nil {
				t.Errorf("registry %s listens on %s", tt.version, r.Addr)
			}
		})
	}
}

func keyPEM(t *testing.T, p pair) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
