package tokens

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxHeader bounds the encoded JOSE header, most of which is x5c, so that there
// is room for claims in every token.
const maxHeader = 5 << 10

// signer is a key that is ready to sign: everything that does not depend on the
// claims was computed before. It is immutable.
type signer struct {
	service string // whose static key it is; empty for a leaf
	alg     Algorithm
	method  jwt.SigningMethod
	key     crypto.Signer
	cert    *x509.Certificate
	jwk     jwk
	header  string // base64url, with the dot after it
	sigSize int
	// notAfter is when registries stop accepting the chain; zero for a static
	// key, whose certificate only carries it.
	notAfter time.Time
}

// header is the JOSE header (RFC 7515 section 4.1).
type header struct {
	Algorithm Algorithm `json:"alg"`
	Type      string    `json:"typ"`
	KeyID     string    `json:"kid"`
	Chain     [][]byte  `json:"x5c,omitempty"` // standard base64, which is how JSON encodes bytes
}

// newSigner prepares a key. A chain makes it an x5c signer, none a kid signer.
func newSigner(key crypto.Signer, chain []*x509.Certificate) (*signer, error) {
	alg, err := algorithmOf(key.Public())
	if err != nil {
		return nil, err
	}
	method, err := alg.method()
	if err != nil {
		return nil, err
	}
	public, err := publicJWK(key.Public())
	if err != nil {
		return nil, err
	}
	h := header{Algorithm: alg, Type: "JWT", KeyID: public.KeyID}
	s := &signer{alg: alg, method: method, key: key, jwk: public}
	for _, cert := range chain {
		h.Chain = append(h.Chain, cert.Raw)
		if s.notAfter.IsZero() || cert.NotAfter.Before(s.notAfter) {
			s.notAfter = cert.NotAfter
		}
	}
	encoded, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	s.header = b64(encoded) + "."
	if len(s.header) > maxHeader {
		return nil, fmt.Errorf("the certificate chain makes a token header of %d bytes and %d are possible; "+
			"keep only the issuing CA in tokens.ca_cert_file", len(s.header), maxHeader)
	}
	probe, err := method.Sign("", key) // its size is the same for every token
	if err != nil {
		return nil, err
	}
	s.sigSize = base64.RawURLEncoding.EncodedLen(len(probe))
	return s, nil
}

// public returns what a verifier needs to know of the key.
func (s *signer) public() publicKey {
	return publicKey{key: s.key.Public(), jwk: s.jwk, service: s.service}
}
