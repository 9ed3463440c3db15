package tokens

import (
	"crypto"
	"crypto/x509"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// JWKS returns the content of /.well-known/jwks.json (RFC 7517): the current
// leaf, the static keys, and the leaves before it while their tokens live. The
// caller must not change it.
func (k *Keys) JWKS() []byte { return k.state.Load().jwks }

// SigningCA returns the content of /.well-known/signing-ca.pem, the certificate
// to mount as a registry's rootcertbundle. It is the issuing CA alone, never the
// root above it: a registry ignores extended key usage, so under a company's
// root every TLS server's certificate could sign tokens.
func (k *Keys) SigningCA() []byte { return encodeCert(k.authority.cert) }

// StaticCert returns the self-signed certificate, PEM, that carries the static
// key of a kid service: what zot is configured with. It is nil for any other
// service.
func (k *Keys) StaticCert(service string) []byte {
	if s := k.state.Load().statics[service]; s != nil {
		return encodeCert(s.cert)
	}
	return nil
}

// TrustFileName returns the name, inside the key directory, of the public file
// that a registry of that service and token form is to trust. It says where the
// file will be, whether or not it was made yet.
func TrustFileName(service, form string, alg Algorithm) string {
	if form == FormKID {
		return staticStem(service, alg) + ".crt"
	}
	return caExportName
}

// TrustFile returns the path of the public file that the service's registry is
// to trust: signing-ca.pem, or the certificate of its static key. It is empty
// for an unknown service.
func (k *Keys) TrustFile(service string) string {
	for _, r := range k.opts.Registries {
		if r.Service == service {
			return filepath.Join(k.opts.Dir, TrustFileName(service, r.Form, k.opts.Algorithm))
		}
	}
	return ""
}

// JWKSFile returns the path of the copy of [Keys.JWKS] in the key directory.
func (k *Keys) JWKSFile() string { return filepath.Join(k.opts.Dir, jwksName) }

// PublicKeys returns every key that verifies tokens of ours, by kid.
func (k *Keys) PublicKeys() map[string]crypto.PublicKey {
	public := make(map[string]crypto.PublicKey)
	for kid, p := range maps.All(k.state.Load().public) {
		public[kid] = p.key
	}
	return public
}

// The roles a key has, see [KeyInfo].
const (
	RoleCA     = "ca"     // signs leaves; the trust anchor
	RoleLeaf   = "leaf"   // signs x5c tokens
	RoleStatic = "static" // signs the kid tokens of one service
)

// KeyInfo describes a key for metrics and for `drawbridge keys list`.
type KeyInfo struct {
	Role      string
	Service   string // for a static key
	KeyID     string // RFC 7638; empty for a CA whose key type has no token algorithm
	Algorithm Algorithm
	NotAfter  time.Time
}

// KeyExpiry lists the authority, the leaf and the static keys with the end of
// their certificates.
func (k *Keys) KeyExpiry() []KeyInfo {
	s := k.state.Load()
	infos := []KeyInfo{caInfo(k.authority.cert)}
	infos = append(infos, KeyInfo{Role: RoleLeaf, KeyID: s.leaf.jwk.KeyID, Algorithm: s.leaf.alg, NotAfter: s.leaf.cert.NotAfter})
	for _, service := range slices.Sorted(maps.Keys(s.statics)) {
		static := s.statics[service]
		infos = append(infos, KeyInfo{RoleStatic, service, static.jwk.KeyID, static.alg, static.cert.NotAfter})
	}
	return infos
}

func caInfo(cert *x509.Certificate) KeyInfo {
	info := KeyInfo{Role: RoleCA, NotAfter: cert.NotAfter}
	if key, err := publicJWK(cert.PublicKey); err == nil {
		info.KeyID, info.Algorithm = key.KeyID, key.Algorithm
	}
	return info
}
