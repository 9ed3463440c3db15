package tokens

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

// One private key is one secret, whatever form its file has, which algorithm
// signs and whether it issues leaves or signs tokens itself.
func TestDeriveDependsOnThePrivateKeyAlone(t *testing.T) {
	rsaKey, ecKey := newRSA(t, 2048), newEC(t, elliptic.P256())
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, sec1Err := x509.MarshalECPrivateKey(ecKey)
	seen := map[string]string{}
	for name, tt := range map[string]struct {
		key   crypto.Signer
		alg   Algorithm // that a direct certificate needs
		other []byte    // another form of the same key
	}{
		"RSA":     {rsaKey, RS256, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)},
		"EC":      {ecKey, ES256, block("EC PRIVATE KEY", sec1, sec1Err)},
		"Ed25519": {edKey, EdDSA, nil},
	} {
		ca, leaf := makePair(t, tt.key, nil, nil), makePair(t, tt.key, nil, notCA)
		forms := []Options{operatorOptions(t, pkcs8(tt.key), ca), operatorOptions(t, pkcs8(tt.key), leaf)}
		if tt.other != nil {
			forms = append(forms, operatorOptions(t, tt.other, ca))
		}
		forms[1].Algorithm = tt.alg
		var first []byte
		for i, opts := range forms {
			got := mustOpen(t, opts).Derive("cache")
			if first == nil {
				first = got
			}
			if !bytes.Equal(got, first) || len(got) != 32 {
				t.Errorf("%s, form %d: another secret", name, i)
			}
		}
		if before, ok := seen[string(first)]; ok {
			t.Errorf("%s and %s have one secret", name, before)
		}
		seen[string(first)] = name
	}
}

func TestDeriveSeparatesLabels(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	seen := map[string]string{}
	for _, label := range []string{"", "cache", "cache/", "cache/a", "Cache"} {
		secret := string(k.Derive(label))
		if before, ok := seen[secret]; ok {
			t.Errorf("%q and %q have one secret", label, before)
		}
		seen[secret] = label
	}
}

// Replicas with a copy of the CA agree, also after a restart and a rotation;
// a CA of one's own has other secrets.
func TestDeriveIsSharedWithTheCA(t *testing.T) {
	opts, copied := testOptions(t), testOptions(t)
	a := mustOpen(t, opts)
	ca, err := os.ReadFile(filepath.Join(opts.Dir, caName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(copied.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied.Dir, caName), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	secret := a.Derive("cache")
	for what, k := range map[string]*Keys{"a replica": mustOpen(t, copied), "a restart": mustOpen(t, opts)} {
		if !bytes.Equal(k.Derive("cache"), secret) {
			t.Errorf("%s has another secret", what)
		}
	}
	if bytes.Equal(mustOpen(t, testOptions(t)).Derive("cache"), secret) {
		t.Error("another CA has the same secret")
	}
}

// The scheme is fixed: a release that derives anything else from the same key
// would empty every cache and refuse every key of its neighbours. The expected
// value was computed apart from this program, by RFC 5869.
func TestDeriveVector(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	root, err := deriveRoot(key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{root: root}
	if got := b64(a.derive("cache")); got != "SISNKKfzaurRiODmjZS3iliX-TPFUN4ylLuMWIhtE_E" {
		t.Errorf("derived %s", got)
	}
}
