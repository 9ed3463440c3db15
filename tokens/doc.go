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
// ([Keys.RollLeaves], [Keys.Rotate]). Registries need not be told: the certificate
// travels in the token. The key before is forgotten at once; its certificate stays
// in the JWKS and for [Keys.Verify] until the last of its tokens is over. If a
// rotation fails, the old leaf signs on and the failure is logged every minute.
//
// A CA of ours is replaced in two steps, because registries read it at their start:
// [Keys.NewCA] makes the next one and lists it beside the old one in
// signing-ca.pem; once the registries were restarted, [Keys.RetireCA] has leaves
// issued under it.
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
// # Claims of our own
//
// Beside what registries read, a token may say to which session it belongs (sid) and
// when its caller's credential was verified (auth_time, with milliseconds), so that
// package revocation can tell which tokens a revocation meets. Registries ignore
// both.
//
// # Derived secrets
//
// [Keys.Derive] makes secrets for other parts of Drawbridge out of the signing
// authority's private key (HKDF-SHA256, RFC 5869, over its PKCS#8 form), one for
// each label. Replicas that share the CA share them: they need no other setting
// to read what the others have sealed in a shared Redis.
//
// # Replicas
//
// Processes that have the same authority and the same [Store] verify each other's
// tokens and hand out one JWKS. Each has a leaf of its own, unless they share the
// directory; the static key of a service is one for all.
//
//   - A process publishes the public half of its leaf as a [Record] before it signs
//     with it. A rotation that is due waits for the store, for as long as the old
//     leaf can go on; at a first start without the store the leaf is published
//     later.
//   - The first process that needs the static key of a service makes it and
//     publishes both halves, the private one encrypted; the others take it over. A
//     first start without the store makes none. A file that differs from the store
//     is an error, unless the store says that the file's key was rotated out.
//   - Whatever is changed is announced in the feed ([Keys.Apply]), and each process
//     then takes a turn: it reads its directory and the store, does what is asked
//     of it, and puts the result in force. Turns are also taken once a minute.
//   - A token whose kid is unknown makes [Keys.Verify] ask the store at once. Kids
//     can be made up, so all such tokens of 250 ms share one question.
//   - An order to roll the leaves is a mark on each leaf's record, so that it means
//     a leaf and not a time: who is down finds it at its start, and nobody rolls
//     twice.
//
// Whoever can write the store could add a key, or put back one that was retired. So
// a record counts only under the [Seal] of an authority: a MAC whose key follows
// from the authority's private key and covers all of the record, so that only a
// process that could issue a leaf anyway can publish one. Private static keys are
// encrypted under another such key (AES-256-GCM), bound to kid and service. What
// remains to somebody with write access: to remove records, to put back an older
// version of one, and to undo a revocation for processes that start afterwards. A
// revocation itself needs no seal: it only ever refuses.
//
// During a change of the CA, records have the seals of both.
//
// # Files
//
// In data_dir/keys, private files with mode 0600 and public ones with 0644:
//
//	ca.pem               key and certificate of the CA made here
//	ca-next.pem          those of the CA that follows it, during a change
//	leaf.pem             key and certificate of the current leaf, then the retired certificates
//	static-S-H-A.pem     key and certificate of the kid service S; H tells apart like names, A is the algorithm
//	static-S-H-A.crt     its certificate: zot's trust file
//	signing-ca.pem       the CA's certificate, and the next one's: distribution's rootcertbundle
//	jwks.json            the public keys: distribution 3's jwks file
//	.lock                flock(2) of the processes that share the directory
//
// Each is replaced by writing a temporary file, fsync and rename, and a key is
// always in one file with its certificate, so that a kill at any moment leaves
// the old pair or the new one. Making and rotating happens under the lock, after
// reading what is there: two processes that start at once end up with one CA.
// Processes that share a directory must have the same token settings; each takes
// over the other's new leaf as soon as the feed announces it, and within a minute
// without a store. To share it between machines, the file system must support
// flock, as NFS 4 does. What root writes belongs to the directory's owner, so that
// an administrator's command does not lock the server out.
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
//   - By [Keys.Verify]: everything whose kid is not one of ours, was revoked or is
//     past its last token, whose algorithm is not that key's, that is expired or
//     not yet valid, that has critical extensions, or that a static key signed for
//     another service. It never follows x5c: a leaf that was not published under
//     our seal is nobody's. A [Verifier], for who is asked about every request of a
//     push, refuses the same, but gives exp the leeway that registries give it.
//   - With Options.Existing, by everything that would make a CA or a leaf where no
//     server has run.
//
// No token is ever logged or part of an error.
package tokens
