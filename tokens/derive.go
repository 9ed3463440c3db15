package tokens

import (
	"crypto"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
)

const (
	derivedBytes = 32
	// deriveSalt and derivePrefix keep what is derived here apart from whatever
	// else the operator may use the same key for.
	deriveSalt   = "drawbridge signing authority"
	derivePrefix = "drawbridge/"
)

// Derive returns 32 secret bytes that depend on the signing authority's private
// key and the label, and on nothing else: replicas that share the CA share them
// with no further setting, and whoever has the CA's certificate learns nothing.
// Labels are domains: no two uses share one. Another CA means other bytes, so
// nothing that must outlive the CA is encrypted with them alone.
func (k *Keys) Derive(label string) []byte { return k.state.Load().ring.authority.derive(label) }

// deriveRoot returns the pseudorandom key of a private key (RFC 5869 section 2.2). It is
// taken from the PKCS#8 form, whichever form the operator's file has.
func deriveRoot(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("derive secrets from the signing key: %w", err)
	}
	return hkdf.Extract(sha256.New, der, []byte(deriveSalt))
}

// derive is [Keys.Derive] for one authority.
func (a *authority) derive(label string) []byte {
	secret, err := hkdf.Expand(sha256.New, a.root, derivePrefix+label, derivedBytes)
	if err != nil {
		panic(err) // only for more than 255 hashes
	}
	return secret
}
