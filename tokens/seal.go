package tokens

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// What is derived from an authority's key to seal records, see [Keys.Derive].
const (
	labelMAC     = "signing keys in the store: authentication"
	labelPrivate = "signing keys in the store: private keys"
)

// sealer makes and checks the seals of one authority.
type sealer struct {
	authority string // as in [Seal]
	mac       []byte
	private   cipher.AEAD
}

func newSealer(a *authority) (*sealer, error) {
	spki, err := x509.MarshalPKIXPublicKey(a.key.Public())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spki)
	block, err := aes.NewCipher(a.derive(labelPrivate))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealer{authority: hex.EncodeToString(sum[:]), mac: a.derive(labelMAC), private: aead}, nil
}

// seal vouches for the record. A private key is encrypted for it, if there is one.
func (s *sealer) seal(r *Record, private []byte) (Seal, error) {
	seal := Seal{Authority: s.authority}
	bound, err := boundTo(r)
	if err != nil {
		return seal, err
	}
	if private != nil {
		seal.Private = s.private.Seal(nil, nil, private, bound) // #nosec G407 -- this AEAD draws its own nonce and wants none
	}
	seal.MAC, err = s.authenticate(r, seal.Private)
	return seal, err
}

// authenticate returns the MAC over all of the record that seals cover. JSON tells
// the fields apart, whatever they hold.
func (s *sealer) authenticate(r *Record, private []byte) ([]byte, error) {
	covered, err := json.Marshal([]any{
		1, r.KeyID, r.Service, r.Algorithm, r.Public, r.Replica, r.State,
		r.NotBefore.UnixMilli(), r.NotAfter.UnixMilli(), r.Until.UnixMilli(), private,
	})
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, s.mac)
	mac.Write(covered)
	return mac.Sum(nil), nil
}

// boundTo is what an encrypted private key belongs to: put into another record it
// does not open.
func boundTo(r *Record) ([]byte, error) { return json.Marshal([]string{r.KeyID, r.Service}) }

// find returns this authority's seal if it is good.
func (s *sealer) find(r *Record) (Seal, bool) {
	for _, seal := range r.Seals {
		if seal.Authority != s.authority {
			continue
		}
		want, err := s.authenticate(r, seal.Private)
		if err == nil && hmac.Equal(want, seal.MAC) {
			return seal, true
		}
	}
	return Seal{}, false
}

// errForeignSeal is the fault of a record that none of our authorities vouches for.
var errForeignSeal = errors.New("it was not published by a process that has our signing CA")

// seal returns the record under the seals of all of the ring's authorities, and no
// other ones.
func (g *ring) seal(r Record, private []byte) (Record, error) {
	r.Seals = nil
	for _, s := range g.sealers {
		seal, err := s.seal(&r, private)
		if err != nil {
			return r, fmt.Errorf("seal signing key %s: %w", r.KeyID, err)
		}
		r.Seals = append(r.Seals, seal)
	}
	return r, nil
}

// sealed reports whether the record has the seals of all of the ring's authorities.
func (g *ring) sealed(r *Record) bool {
	for _, s := range g.sealers {
		if _, ok := s.find(r); !ok {
			return false
		}
	}
	return true
}

// check returns the public key of a record that one of the ring's authorities
// vouches for.
func (g *ring) check(r *Record) (publicKey, error) {
	for _, s := range g.sealers {
		if _, ok := s.find(r); !ok {
			continue
		}
		key, err := parseJWK([]byte(r.Public))
		if err != nil {
			return publicKey{}, fmt.Errorf("read the public key: %w", err)
		}
		public, err := publicJWK(key)
		if err != nil {
			return publicKey{}, err
		}
		if public.KeyID != r.KeyID || public.Algorithm != r.Algorithm {
			return publicKey{}, errors.New("its ID or algorithm is not that of its key")
		}
		return publicKey{key: key, jwk: public, service: r.Service, until: r.Until}, nil
	}
	return publicKey{}, errForeignSeal
}

// private returns a static key with its certificate, as [encodePair] makes them.
func (g *ring) private(r *Record) ([]byte, error) {
	bound, err := boundTo(r)
	if err != nil {
		return nil, err
	}
	for _, s := range g.sealers {
		if seal, ok := s.find(r); ok && seal.Private != nil {
			return s.private.Open(nil, nil, seal.Private, bound)
		}
	}
	return nil, errForeignSeal
}
