package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithm is a JWS algorithm name (RFC 7518 section 3.1, RFC 8037).
type Algorithm string

// The algorithms a token may be signed with. Which registry verifies which is
// PROTOCOL.md's table: ES256 and RS256 are safe everywhere, EdDSA needs
// distribution 3, and a 2.8 registry crashes on an Ed25519 certificate.
const (
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256; the default
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5 with SHA-256
	EdDSA Algorithm = "EdDSA" // Ed25519
)

// MinRSABits is the smallest RSA key that is made or accepted (RFC 7518
// section 3.3).
const MinRSABits = 2048

// method returns the signing method, or an error that lists the choices.
func (a Algorithm) method() (jwt.SigningMethod, error) {
	switch a {
	case ES256:
		return jwt.SigningMethodES256, nil
	case RS256:
		return jwt.SigningMethodRS256, nil
	case EdDSA:
		return jwt.SigningMethodEdDSA, nil
	}
	return nil, fmt.Errorf("tokens.algorithm %q is none of ES256, RS256, EdDSA", string(a))
}

// generate makes a key for the algorithm. Keys always come from the system's
// secure source: since Go 1.26 crypto ignores any other reader.
func (a Algorithm) generate() (crypto.Signer, error) {
	switch a {
	case ES256:
		return generateP256()
	case RS256:
		return rsa.GenerateKey(rand.Reader, MinRSABits)
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	_, err := a.method()
	return nil, err
}

// generateP256 repeats until both coordinates fill their 32 bytes. distribution
// 3.1 strips leading zero bytes before it computes the RFC 7638 thumbprint, so
// one key in 128 would get a kid there that differs from everybody else's.
func generateP256() (*ecdsa.PrivateKey, error) {
	for {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		full, err := fullLength(&key.PublicKey)
		if err != nil {
			return nil, err
		}
		if full {
			return key, nil
		}
	}
}

// fullLength reports whether neither coordinate begins with a zero byte.
func fullLength(pub *ecdsa.PublicKey) (bool, error) {
	point, err := pub.Bytes() // 4, then X, then Y (SEC 1 section 2.3.3)
	if err != nil {
		return false, err
	}
	return point[1] != 0 && point[1+(len(point)-1)/2] != 0, nil
}

// algorithmOf returns the one algorithm a key can sign tokens with.
func algorithmOf(pub crypto.PublicKey) (Algorithm, error) {
	switch p := pub.(type) {
	case *ecdsa.PublicKey:
		if p.Curve != elliptic.P256() {
			return "", fmt.Errorf("an EC key on %s cannot sign ES256 tokens, which need P-256", p.Curve.Params().Name)
		}
		return ES256, nil
	case *rsa.PublicKey:
		return RS256, strongEnough(p)
	case ed25519.PublicKey:
		return EdDSA, nil
	}
	return "", fmt.Errorf("a key of type %T cannot sign tokens", pub)
}

// strongEnough refuses RSA keys under [MinRSABits]; every other type passes.
func strongEnough(pub crypto.PublicKey) error {
	if p, ok := pub.(*rsa.PublicKey); ok && p.N.BitLen() < MinRSABits {
		return fmt.Errorf("the RSA key has %d bits; at least %d are needed", p.N.BitLen(), MinRSABits)
	}
	return nil
}
