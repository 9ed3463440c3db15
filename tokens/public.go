package tokens

import (
	"crypto"
	"maps"
	"path/filepath"
)

// JWKS returns the content of /.well-known/jwks.json (RFC 7517): the leaves and
// static keys of all processes that share the store and the CA, those before them
// while their tokens live, and static keys that are about to sign. The caller must
// not change it.
func (k *Keys) JWKS() []byte { return k.shared.view.Load().jwks }

// SigningCA returns the content of /.well-known/signing-ca.pem, the certificate
// to mount as a registry's rootcertbundle; two while the CA is being changed, the
// one that signs first. It is the issuing CA alone, never the root above it: a
// registry ignores extended key usage, so under a company's root every TLS
// server's certificate could sign tokens.
func (k *Keys) SigningCA() []byte { return k.state.Load().ring.bundle() }

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

// NextCAFile returns the path of the CA that is to follow, while there is one. It
// holds its private key.
func (k *Keys) NextCAFile() string { return filepath.Join(k.opts.Dir, caNextName) }

// JWKSFile returns the path of the copy of [Keys.JWKS] in the key directory.
func (k *Keys) JWKSFile() string { return filepath.Join(k.opts.Dir, jwksName) }

// PublicKeys returns every key that verifies tokens of ours, by kid.
func (k *Keys) PublicKeys() map[string]crypto.PublicKey {
	public := make(map[string]crypto.PublicKey)
	for kid, p := range maps.All(k.shared.view.Load().public) {
		public[kid] = p.key
	}
	return public
}
