package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

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
