package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// maxRSABytes bounds the modulus of a key that is read: 16384 bits.
const maxRSABytes = 2048

// jwk is a public key in the form of RFC 7517. The unused members of the other
// key types stay out of the JSON.
type jwk struct {
	Type      string    `json:"kty"`
	Use       string    `json:"use"`
	Algorithm Algorithm `json:"alg"`
	KeyID     string    `json:"kid"`
	Curve     string    `json:"crv,omitempty"`
	X         string    `json:"x,omitempty"`
	Y         string    `json:"y,omitempty"`
	N         string    `json:"n,omitempty"`
	E         string    `json:"e,omitempty"`
}

// publicJWK returns the JWK, its kid being the RFC 7638 thumbprint. Only the
// three key types of [Algorithm] are known: one unknown kty in a key set stops
// a distribution 3 registry from starting.
func publicJWK(pub crypto.PublicKey) (jwk, error) {
	alg, err := algorithmOf(pub)
	if err != nil {
		return jwk{}, err
	}
	k := jwk{Use: "sig", Algorithm: alg}
	switch p := pub.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return jwk{}, err
		}
		half := 1 + (len(point)-1)/2
		k.Type, k.Curve, k.X, k.Y = "EC", "P-256", b64(point[1:half]), b64(point[half:])
	case *rsa.PublicKey:
		k.Type, k.N, k.E = "RSA", b64(p.N.Bytes()), b64(big.NewInt(int64(p.E)).Bytes())
	case ed25519.PublicKey:
		k.Type, k.Curve, k.X = "OKP", "Ed25519", b64(p)
	}
	k.KeyID = k.thumbprint()
	return k, nil
}

// parseJWK reads a public key that [publicJWK] has written. Anything else about it,
// such as its kid, is the caller's to compute anew.
func parseJWK(data []byte) (crypto.PublicKey, error) {
	var k jwk
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, err
	}
	x, y, n, e, err := k.numbers()
	if err != nil {
		return nil, err
	}
	switch {
	case k.Type == "EC" && k.Curve == "P-256" && len(x) == 32 && len(y) == 32:
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	case k.Type == "RSA" && len(n) > 0 && len(n) <= maxRSABytes && len(e) > 0 && len(e) <= 4:
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
	case k.Type == "OKP" && k.Curve == "Ed25519" && len(x) == ed25519.PublicKeySize:
		return ed25519.PublicKey(x), nil
	}
	return nil, fmt.Errorf("a JWK of type %q is not a key that signs tokens", k.Type)
}

// numbers decodes the members that hold numbers.
func (k jwk) numbers() (x, y, n, e []byte, err error) {
	for _, member := range []struct {
		text string
		into *[]byte
	}{{k.X, &x}, {k.Y, &y}, {k.N, &n}, {k.E, &e}} {
		if *member.into, err = base64.RawURLEncoding.DecodeString(member.text); err != nil {
			return nil, nil, nil, nil, fmt.Errorf("a member of the JWK is not base64url: %w", err)
		}
	}
	return x, y, n, e, nil
}

// thumbprint is RFC 7638 section 3: the required members only, in
// lexicographic order, no white space. RFC 8037 section 2 adds OKP.
func (k jwk) thumbprint() string {
	var canonical string
	switch k.Type {
	case "EC":
		canonical = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, k.Curve, k.X, k.Y)
	case "RSA":
		canonical = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, k.E, k.N)
	case "OKP":
		canonical = fmt.Sprintf(`{"crv":%q,"kty":"OKP","x":%q}`, k.Curve, k.X)
	}
	sum := sha256.Sum256([]byte(canonical))
	return b64(sum[:])
}

// keySet encodes a JWK set (RFC 7517 section 5).
func keySet(keys []jwk) ([]byte, error) {
	return json.Marshal(struct {
		Keys []jwk `json:"keys"`
	}{keys})
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
