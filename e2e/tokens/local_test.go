package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"

	"github.com/golang-jwt/jwt/v5"
)

// A pair is a key and its certificate, made by the test.
type pair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func (p pair) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
}

// issue makes a certificate for key; a nil parent makes it self-signed.
func issue(t *testing.T, key crypto.Signer, parent *pair, edit func(*x509.Certificate)) pair {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test " + serial.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(template)
	}
	signer, issuer := key, template
	if parent != nil {
		signer, issuer = parent.key, parent.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, cert}
}

func isCA(c *x509.Certificate) { c.IsCA = true }

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// fullKey is an EC key without leading zero bytes, shortKey one with.
func fullKey(t *testing.T) *ecdsa.PrivateKey  { return keyWhere(t, false) }
func shortKey(t *testing.T) *ecdsa.PrivateKey { return keyWhere(t, true) }

func keyWhere(t *testing.T, short bool) *ecdsa.PrivateKey {
	t.Helper()
	for {
		key := ecKey(t)
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if (point[1] == 0 || point[33] == 0) == short {
			return key
		}
	}
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// payload returns the claims that claims() has, as plain data to tamper with.
func payload() jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{
		"iss": issuer, "aud": service, "sub": "corp/alice", "jti": "an-id",
		"iat": now.Unix() - 60, "nbf": now.Unix() - 60, "exp": now.Add(ttl).Unix(),
		"access": []any{map[string]any{"type": "repository", "name": "library/app", "actions": []string{"pull"}}},
	}
}

// signLocal signs a token with any header.
func signLocal(t *testing.T, method jwt.SigningMethod, key any, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	for name, value := range header {
		token.Header[name] = value
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// x5c is the header with these certificates.
func x5c(chain ...pair) map[string]any {
	var list []string
	for _, p := range chain {
		list = append(list, base64.StdEncoding.EncodeToString(p.cert.Raw))
	}
	return map[string]any{"x5c": list}
}

func kid(id string) map[string]any { return map[string]any{"kid": id} }

// libtrustID is the key ID of distribution 2.
func libtrustID(t *testing.T, pub crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	text := base32.StdEncoding.EncodeToString(sum[:30])
	var groups []string
	for i := 0; i < len(text); i += 4 {
		groups = append(groups, text[i:i+4])
	}
	return strings.Join(groups, ":")
}

// thumbprint is RFC 7638, written apart from the product's.
func thumbprint(t *testing.T, pub crypto.PublicKey) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	var text string
	switch p := pub.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		text = fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:]))
	case *rsa.PublicKey:
		text = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64(big.NewInt(int64(p.E)).Bytes()), b64(p.N.Bytes()))
	default:
		t.Fatalf("no thumbprint for %T", pub)
	}
	sum := sha256.Sum256([]byte(text))
	return b64(sum[:])
}

// keySetOf is a JWKS with one EC key under any kid.
func keySetOf(t *testing.T, id string, pub *ecdsa.PublicKey) []byte {
	t.Helper()
	point, err := pub.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "kid": id, "x": b64(point[1:33]), "y": b64(point[33:]),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// openssl makes a certificate and key as an operator does and returns the files.
func openssl(t *testing.T, newkey []string, more ...string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	args := append([]string{"req"}, newkey...)
	args = append(args, "-nodes", "-x509", "-days", "365", "-subj", "/CN=localhost", "-keyout", key, "-out", cert)
	out, err := exec.Command(testbed.Tool(t, "openssl"), append(args, more...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	return cert, key
}
