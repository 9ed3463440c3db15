// Package tokens holds the signing keys and makes the access tokens that
// registries verify: claims per distribution's auth/jwt specification, signed as
// PROTOCOL.md's table says each registry version verifies them.
//
//	keys, err := tokens.Open(tokens.Options{Dir: "data/keys", ...})
//	go keys.Run(ctx)
//	token, err := keys.Mint("Docker registry", tokens.Claims{...})
//
// # Key hierarchy
//
// Registries read their trust files when they start and never again. So what
// they mount must last, and what signs every token must not: a signing CA is the
// trust anchor, and short-lived leaf keys rotate under it. A token carries its
// leaf's certificate in the x5c header (RFC 7515 section 4.1.6), the leaf first,
// then intermediates, without the self-signed root, and a kid, which is the
// leaf's RFC 7638 thumbprint.
//
// The CA is one of three things:
//
//   - Nothing configured: an ECDSA P-256 CA for ten years, made in the key
//     directory at the first start.
//   - The operator's certificate, when it is a CA. `openssl req -newkey rsa:4096
//     -nodes -x509 -days 365` makes one; a registry that mounts it already needs
//     no change, and tokens are signed by an ES256 leaf instead of the slow RSA
//     key. If the file holds a chain, the first certificate issues the leaves.
//   - The operator's certificate, when it is not a CA: then its own key signs the
//     tokens. tokens.algorithm must be the one its key type has, and nothing
//     rotates.
//
// A leaf lives for rotate_every + the longest token lifetime + 7 days, and never
// beyond its CA, because a registry refuses an expired certificate without any
// leeway. It is replaced at the age rotate_every ([Keys.Run]) or on demand
// ([Keys.Rotate]). Nothing needs to be published before: the certificate travels
// in the token. The key before is forgotten at once; its certificate stays in the
// JWKS and for [Keys.Verify] until the last of its tokens is over. If a rotation
// fails, the old leaf signs on and the failure is logged every minute.
//
// # Forms
//
// A registry that verifies by x5c gets a token of the current leaf (token_form
// x5c: presets distribution-2 and distribution-3). A registry that reads a key
// file instead (token_form kid: distribution-3-jwks, zot) gets one static key of
// its own, which is made once and never rotates, since a new one would lock the
// registry out until its next restart; its tokens have a kid and no x5c. An x5c
// header that does not verify has no fallback to kid, so the form is a setting.
//
// zot checks neither issuer nor audience. That its key signs for its service
// alone, which [Keys.Mint] and [Keys.Verify] both insist on, is what keeps
// another registry's token out of it.
//
// # Files
//
// In data_dir/keys, private files with mode 0600 and public ones with 0644:
//
//	ca.pem               key and certificate of the CA made here
//	leaf.pem             key and certificate of the current leaf, then the retired certificates
//	static-S-H-A.pem     key and certificate of the kid service S; H tells apart like names, A is the algorithm
//	static-S-H-A.crt     its certificate: zot's trust file
//	signing-ca.pem       the CA's certificate: distribution's rootcertbundle
//	jwks.json            the public keys: distribution 3's jwks file
//	.lock                flock(2) of the processes that share the directory
//
// Each is replaced by writing a temporary file, fsync and rename, and a key is
// always in one file with its certificate, so that a kill at any moment leaves
// the old pair or the new one. Making and rotating happens under the lock, after
// reading what is there: two processes that start at once end up with one CA.
// Processes that share a directory must have the same token settings; each takes
// over the other's new leaf within a minute. To share it between machines, the
// file system must support flock, as NFS 4 does.
//
// # Algorithms
//
// ES256 (default), RS256 and EdDSA. P-256 keys are made until both coordinates
// are full-length, because distribution 3.1 computes another thumbprint
// otherwise. RSA keys have 2048 bits or more. Neither HMAC nor "none" exists here.
//
// # What is refused
//
//   - By [Open]: an encrypted key; a key that does not belong to the first
//     certificate; an expired or not yet valid certificate; a file whose
//     certificates are no chain; a chain too long for a header; a certificate
//     that is no CA and whose key does not fit the algorithm; a private file of
//     ours that every user of the host can read. Nothing is replaced that cannot
//     be read.
//   - By [Keys.Mint]: a service that is not configured, an audience other than
//     the service, a lifetime over the longest one or beyond the certificate, a
//     token over [MaxTokenBytes].
//   - By [Keys.Verify]: everything whose kid is not one of ours, whose algorithm
//     is not that key's, that is expired or not yet valid, that has critical
//     extensions, or that a static key signed for another service.
//
// No token is ever logged or part of an error.
package tokens
