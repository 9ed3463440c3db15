package tokens

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is an operator's certificate and key.
type pair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// makePair issues a certificate as an operator's tools would: a CA unless edit
// says otherwise, self-signed unless there is a parent.
func makePair(t testing.TB, key crypto.Signer, parent *pair, edit func(*x509.Certificate)) pair {
	t.Helper()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "operator " + time.Now().String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}
	if edit != nil {
		edit(template)
	}
	parentKey := key
	var parentCert *x509.Certificate
	if parent != nil {
		parentKey, parentCert = parent.key, parent.cert
	}
	cert, err := sign(template, parentCert, key, parentKey, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, cert}
}

// files writes certificates and key and returns options that name them.
func operatorOptions(t testing.TB, keyPEM []byte, chain ...pair) Options {
	t.Helper()
	opts := testOptions(t)
	dir := t.TempDir()
	opts.CACertFile, opts.CAKeyFile = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	var certs []byte
	for _, p := range chain {
		certs = append(certs, encodeCert(p.cert)...)
	}
	for path, content := range map[string][]byte{opts.CACertFile: certs, opts.CAKeyFile: keyPEM} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return opts
}

func block(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(key crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return block("PRIVATE KEY", der, err)
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func notCA(c *x509.Certificate)         { c.IsCA = false }
func noConstraints(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false }
func noCertSign(c *x509.Certificate)    { c.KeyUsage = x509.KeyUsageDigitalSignature }

// chainOf returns the certificates in a token's x5c.
func chainOf(t *testing.T, k *Keys) []*x509.Certificate {
	t.Helper()
	leaf := k.state.Load().leaf
	chain := []*x509.Certificate{leaf.cert}
	if !k.state.Load().ring.authority.direct {
		chain = append(chain, k.state.Load().ring.authority.above...)
	}
	return chain
}

// verifyChain is a registry's check of x5c.
func verifyChain(chain []*x509.Certificate, root *x509.Certificate, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

func TestOperatorKeysAreReadInEveryForm(t *testing.T) {
	rsaKey, ecKey := newRSA(t, 2048), newEC(t, elliptic.P256())
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	for name, tt := range map[string]struct {
		key  crypto.Signer
		file []byte
	}{
		"RSA PKCS#1":                  {rsaKey, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)},
		"RSA PKCS#8":                  {rsaKey, pkcs8(rsaKey)},
		"EC SEC 1":                    {ecKey, block("EC PRIVATE KEY", sec1, err)},
		"EC SEC 1, parameters before": {ecKey, append(block("EC PARAMETERS", []byte{6, 8}, nil), block("EC PRIVATE KEY", sec1, err)...)},
		"EC PKCS#8":                   {ecKey, pkcs8(ecKey)},
		"Ed25519 PKCS#8":              {edKey, pkcs8(edKey)},
		"P-384 as a CA":               {newEC(t, elliptic.P384()), nil},
	} {
		if tt.file == nil {
			tt.file = pkcs8(tt.key)
		}
		ca := makePair(t, tt.key, nil, nil)
		k, err := Open(operatorOptions(t, tt.file, ca))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := verifyChain(chainOf(t, k), ca.cert, time.Now()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := k.Verify(mustMint(t, k, x5cName)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(k.SigningCA(), encodeCert(ca.cert)) || len(k.state.Load().leaf.alg) == 0 {
			t.Errorf("%s: the anchor is not the operator's certificate", name)
		}
	}
}

func TestOperatorFilesThatAreRefused(t *testing.T) {
	key, other := newRSA(t, 2048), newEC(t, elliptic.P256())
	ca := makePair(t, key, nil, nil)
	under := makePair(t, other, &ca, nil)
	at := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
	}
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x"),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}})
	small := makePair(t, newRSA(t, 1024), nil, nil)
	p384 := newEC(t, elliptic.P384())
	for _, tt := range []struct {
		name  string
		key   []byte
		chain []pair
		want  string
	}{
		{"expired", pkcs8(key), []pair{makePair(t, key, nil, at(-48*time.Hour, -time.Hour))}, "expired at"},
		{"not yet valid", pkcs8(key), []pair{makePair(t, key, nil, at(time.Hour, 48*time.Hour))}, "is the clock right"},
		{"another key", pkcs8(other), []pair{ca}, "does not belong to the certificate"},
		{"chain upside down", pkcs8(other), []pair{ca, under}, "must come first"},
		{"no chain", pkcs8(other), []pair{under, makePair(t, key, nil, nil), ca}, "did not issue certificate"},
		{"expired issuer", pkcs8(other), []pair{under, makePair(t, key, nil, at(-48*time.Hour, -time.Hour))}, "certificate 2"},
		{"PKCS#8 encrypted", block("ENCRYPTED PRIVATE KEY", []byte("x"), nil), []pair{ca}, "openssl pkey"},
		{"PKCS#1 encrypted", encrypted, []pair{ca}, "openssl pkey"},
		{"no key", encodeCert(ca.cert), []pair{ca}, "no PEM block with a private key"},
		{"no certificate", pkcs8(key), nil, "the certificate file holds no PEM certificate"},
		{"garbage key", block("PRIVATE KEY", []byte("x"), nil), []pair{ca}, `"PRIVATE KEY" block`},
		{"RSA-1024", pkcs8(small.key), []pair{small}, "1024 bits"},
		{"RSA leaf for ES256", pkcs8(key), []pair{makePair(t, key, nil, notCA)}, "tokens.algorithm"},
		{"RSA leaf without constraints", pkcs8(key), []pair{makePair(t, key, nil, noConstraints)}, "tokens.algorithm"},
		{"RSA CA that may not sign certificates", pkcs8(key), []pair{makePair(t, key, nil, noCertSign)}, "tokens.algorithm"},
		{"P-384 leaf", pkcs8(p384), []pair{makePair(t, p384, nil, notCA)}, "P-256"},
	} {
		opts := operatorOptions(t, tt.key, tt.chain...)
		_, err := Open(opts)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "ca_cert_file") {
			t.Errorf("%s: want an error with %q, got %v", tt.name, tt.want, err)
		}
		if _, err := os.Stat(filepath.Join(opts.Dir, caName)); err == nil {
			t.Errorf("%s: a CA of our own was made instead", tt.name)
		}
	}
}

func TestCertificateThatIsNoCASignsDirectly(t *testing.T) {
	ca := makePair(t, newRSA(t, 2048), nil, nil)
	for name, tt := range map[string]struct {
		alg   Algorithm
		chain []pair
		x5c   int
	}{
		"RSA, CA:FALSE":       {RS256, []pair{makePair(t, newRSA(t, 2048), nil, notCA)}, 1},
		"EC, no constraints":  {ES256, []pair{makePair(t, newEC(t, elliptic.P256()), nil, noConstraints)}, 1},
		"EC, issued, no root": {ES256, []pair{makePair(t, newEC(t, elliptic.P256()), &ca, notCA)}, 1},
		"EC, issued, root":    {ES256, []pair{makePair(t, newEC(t, elliptic.P256()), &ca, notCA), ca}, 1},
	} {
		opts := operatorOptions(t, pkcs8(tt.chain[0].key), tt.chain...)
		opts.Algorithm = tt.alg
		k, err := Open(opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		token := mustMint(t, k, x5cName)
		if _, err := k.Verify(token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h := headerOf(t, token)
		if chain := h["x5c"].([]any); len(chain) != tt.x5c {
			t.Errorf("%s: x5c has %d certificates", name, len(chain))
		}
		if err := k.Rotate(t.Context()); !errors.Is(err, ErrNoRotation) {
			t.Errorf("%s: Rotate: %v", name, err)
		}
		if err := takeTurn(t, k); err != nil {
			t.Errorf("%s: maintain: %v", name, err)
		}
		if k.TrustFile(kidName) == "" || certOf(t, k.StaticCert(kidName)).Equal(k.state.Load().ring.authority.cert) {
			t.Errorf("%s: the kid service has no key of its own", name)
		}
	}
}

// Tokens carry what a registry needs between leaf and anchor, not the root.
func TestChainWithoutTheRoot(t *testing.T) {
	root := makePair(t, newRSA(t, 2048), nil, nil)
	middle := makePair(t, newEC(t, elliptic.P256()), &root, nil)
	issuing := makePair(t, newEC(t, elliptic.P256()), &middle, nil)
	k := mustOpen(t, operatorOptions(t, pkcs8(issuing.key), issuing, middle, root))
	chain := headerOf(t, mustMint(t, k, x5cName))["x5c"].([]any)
	if len(chain) != 3 {
		t.Errorf("x5c has %d certificates, want leaf, issuing and middle", len(chain))
	}
	for _, anchor := range []pair{root, middle, issuing} {
		if err := verifyChain(chainOf(t, k), anchor.cert, time.Now()); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(k.SigningCA(), encodeCert(issuing.cert)) {
		t.Error("the anchor to mount is not the issuing CA")
	}
}

func TestChainTooLongForAHeader(t *testing.T) {
	wordy := func(c *x509.Certificate) { c.Subject.Organization = []string{strings.Repeat("o", 1000)} }
	at := makePair(t, newEC(t, elliptic.P256()), nil, wordy)
	chain := []pair{at}
	for range 3 {
		at = makePair(t, newEC(t, elliptic.P256()), &at, wordy)
		chain = append([]pair{at}, chain...)
	}
	if _, err := Open(operatorOptions(t, pkcs8(at.key), chain...)); err == nil || !strings.Contains(err.Error(), "only the issuing CA") {
		t.Errorf("got %v", err)
	}
}

func TestLeafNeverOutlivesItsCA(t *testing.T) {
	clock := newClock()
	ca := makePair(t, newEC(t, elliptic.P256()), nil, func(c *x509.Certificate) { c.NotAfter = clock.Now().Add(24 * time.Hour) })
	opts := operatorOptions(t, pkcs8(ca.key), ca)
	opts.Clock = clock.Now
	k := mustOpen(t, opts)
	first := k.state.Load().leaf.cert
	if first.NotAfter.After(ca.cert.NotAfter) {
		t.Error("the leaf outlives its CA")
	}
	clock.advance(time.Hour)
	if err := takeTurn(t, k); err != nil || !k.state.Load().leaf.cert.Equal(first) {
		t.Errorf("a leaf that is cut to its CA rotates for nothing: %v", err)
	}
	mustMint(t, k, x5cName)
	clock.advance(23*time.Hour - time.Minute)
	if _, err := k.Mint(x5cName, claimsFor(x5cName, clock.Now())); err == nil {
		t.Error("a token that outlives the CA was made")
	}
	if _, err := k.Mint(kidName, claimsFor(kidName, clock.Now())); err != nil {
		t.Errorf("the static key does not depend on the CA: %v", err)
	}
	clock.advance(time.Hour)
	if _, err := Open(opts); err == nil || !strings.Contains(err.Error(), "expired at") {
		t.Errorf("Open with an expired CA: %v", err)
	}
}

func TestOwnCAThatExpired(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	mustOpen(t, opts)
	clock.advance(ownCALife + time.Hour)
	if _, err := Open(opts); err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("got %v", err)
	}
}
