// Package oauth2 is what OAuth 2.0 has for the tokens that are out: their state
// (RFC 7662) and their end (RFC 7009).
//
//	POST /oauth2/introspect  token=... [token_type_hint=...]   with HTTP Basic
//	POST /oauth2/revoke      token=... [token_type_hint=...]
//
// A token is an access token or a refresh token of ours. Which one it is shows, so
// that the hint is not needed and a wrong one does no harm (RFC 7009 section 2.1).
//
// # Introspection
//
// Who asks logs in as for anything else, with the same connectors and the same
// limit on wrong passwords, and needs the role auditor or policy-admin. The answer
// for a good token is its claims; scope is what it grants in the form of a scope
// parameter. Of anything else, be it forged, over, revoked or somebody else's, the
// answer is {"active":false} and no more (section 2.2). While it is not known what
// was revoked lately the answer is 503: a guess could be taken for the truth.
//
// # Revocation
//
// Who has a token may end it; nothing else is asked, and an Authorization header is
// not looked at. An access token ends alone, a refresh token with its session and
// all that was made from it. The answer is 200 with an empty body, also for a token
// that is none of ours or has ended before (section 2.2). It means that the
// revocation is in the store, in force here at once and in every other process
// within a second. When the store does not answer it is 503 and nothing was done
// (section 2.2.1).
//
// An anonymous token is not revoked: everybody can have another one, and could
// fill the store with revocations.
//
// # Errors
//
// They are RFC 6749's (section 5.2), {"error","error_description"}, and not the
// registry's: no registry client calls this.
package oauth2
