// Package oidc is the connector for an OpenID Connect provider: Keycloak, Dex,
// Okta, Entra ID and others. It trades a username and a password for an ID token
// by the resource owner password credentials grant (RFC 6749 section 4.3) and
// reads the person's name and groups out of it.
//
// The provider must permit that grant for the client, and the person must be able
// to log in with nothing but a password. A provider that wants a second factor is
// answered with the reason interaction_required.
//
// # Discovery
//
// The provider's metadata (OpenID Connect Discovery 1.0) are fetched in the
// background from the moment of [New], again and again until it succeeds, and
// hourly from then on. So a provider that is down never stops the start: its
// people get Unavailable until it is back. The last good metadata and keys stay
// in use while a refresh fails. Every endpoint must be https unless
// `insecure: true` permits http for a test, and no redirect is followed: one
// would carry the password to wherever it points.
//
// The client authenticates with client_secret_basic, or with client_secret_post
// where the metadata say that only this is supported; it never tries one after
// the other, because each try counts as a wrong password at the provider.
//
// # What is verified
//
// Of the ID token: the signature by a key of the provider, with an asymmetric
// algorithm that the metadata name; iss; aud; azp, if there is one or if aud has
// several values; exp, nbf and iat (OpenID Connect Core 1.0 section 3.1.3.7).
//
// The keys are fetched when a token names one that is not known, hourly, and at
// most once in ten seconds, whatever tokens arrive. An unknown key ID is
// remembered for a minute. A key that the provider withdrew stops verifying within
// the hour.
//
// # Claims
//
// `username_claim` and `groups_claim` are paths. The literal key is tried first,
// then the part before a dot as an object: realm_access.roles works, and so does
// https://example.com/groups. The username is a string. Groups are a string or an
// array of strings; any other type is an error and not "no groups". An absent
// groups claim is no groups, because many providers leave out an empty one.
//
// If either claim is absent from the ID token and the provider has a userinfo
// endpoint, it is asked there. Its sub must be that of the ID token, and it never
// replaces what the ID token says.
//
// Entra ID leaves out the groups of a person who has more than 200 and says so
// by `_claim_names` or `hasgroups` (the "overage"). That is an error, since "no
// groups" would be a wrong answer, unless groups_overage_url says where Microsoft
// Graph lists them. They are fetched there with the access token of the login: a
// POST to getMemberGroups or getMemberObjects, or pages of transitiveMemberOf on
// the same server. The endpoint in the token's `_claim_sources` is never asked: a
// token must not choose whom we send an access token to. Pages, groups, bytes and
// time are bounded, and what is not a whole answer is an error.
//
// An email as the username is refused while the provider says email_verified:
// false, else anybody could enter a colleague's address and be taken for them.
//
// # Outcomes
//
//	token endpoint                                          outcome
//	invalid_grant, access_denied (Dex)                      Denied
//	interaction_required, mfa_required, login_required,
//	  or invalid_grant for a second factor (AADSTS50076 ..) Denied(interaction_required)
//	invalid_client, unauthorized_client, invalid_scope,
//	  unsupported_grant_type, consent_required, no id_token Misconfigured
//	invalid_request, 5xx, 429, timeout, not JSON, other     Unavailable
//
//	ID token and claims                                     outcome
//	signature, or keys that cannot be fetched               Unavailable
//	alg, iss, aud, azp, exp, nbf, iat                       Misconfigured
//	username missing, a claim of the wrong type             Misconfigured
//	overage without groups_overage_url                      Misconfigured
//	username unusable or email not verified                 Denied
//	userinfo: 401, 403, another sub, signed answer          Misconfigured
//	userinfo: anything else but 200 and JSON                Unavailable
//	fetching groups: 401, 403                               Misconfigured
//	fetching groups: anything else but all of them          Unavailable
//
// invalid_request is Unavailable because Dex says it when its own directory is
// down. There is no NotMine: the grant cannot tell an unknown username from a
// wrong password, so this connector stands last in the chain or has a `match`.
//
// # Secrets
//
// No password, client secret or token is in any error or log line. Bodies of the
// token endpoint are never quoted; of an error only its code and a short, scrubbed
// error_description.
package oidc
