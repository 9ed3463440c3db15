// Package verify answers the gateways that stand before registries: nginx's
// auth_request, Traefik's forwardAuth, Caddy's forward_auth, Envoy's ext_authz. A
// registry reads a token's signature and its end and nothing else, so that a token
// that was revoked is good until it ends. A gateway that asks here about each
// request refuses it at once, and the registry needs no change. docs/gateway.md has
// the configurations.
//
//	/verify, and everything below it, with any method
//
// The credential is the Authorization header of the client's request, which
// gateways pass on. The query is not read and nothing of a request is logged: a
// registry's upload URLs hold a secret (_state). A body is not read either.
//
// # Answers
//
//	200  no token, so that the registry makes its challenge; or a good token
//	401  a token that is forged, over, for another registry, or signed by a key that
//	     was revoked, or a header that is not one Bearer token; with a challenge, so
//	     that the client gets another
//	403  a token that was revoked, by itself, with its session or its person; the
//	     client gives up and prints the reason
//	503  a token of which nobody can say whether it was revoked, or whose key cannot
//	     be looked up while the store is away
//
// Denials have the registry's error body, and the same text in [DenialHeader] for
// gateways that drop bodies. All of them deny with every gateway; nginx turns a
// status other than 401 and 403 into 500.
//
// The challenge of a 401 has the parameters of the registry's own, with
// error="invalid_token", upon which clients forget a token that they keep. The
// scope is worked out from X-Forwarded-Method and X-Forwarded-Uri.
//
// # Which registry
//
// A token for any of our registries is good, unless the gateway says in
// [ServiceHeader] before which one it stands: then it has to be for that one.
// Distribution checks the audience itself; zot does not.
//
// # What is refused
//
// What is not clearly "no token" and not clearly one token is refused: see
// credential. A token over tokens.MaxTokenBytes is refused before it is looked at.
// A Basic credential is no token here; a registry that takes tokens refuses it.
//
// # Limits
//
// A gateway asks at the start of a request. A request that is under way, such as
// the upload of a layer, is not ended by a revocation; the one after it is refused.
package verify
