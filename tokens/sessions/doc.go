// Package sessions keeps people logged in without their password: a session
// begins with a login that asked for it, and its refresh token is what
// `docker login` stores instead of the password ("identity token").
//
// # The token
//
// A refresh token is opaque: it says nothing, and only the store knows what it is
// good for.
//
//	dbrt_ <43 characters> [<43 characters>] <6 characters>
//
// Each 43 characters are 256 random bits in base 62. The first are the session's;
// the second, in a rotating session alone, are those of one generation. The last
// six are a CRC-32 of what stands before them, so that a secret scanner can tell a
// token from other text, and so that a mangled one is refused without asking the
// store. Of all this the store has SHA-256 only, which is enough for what has 256
// random bits, and finds a session by that hash: how long a look-up takes tells
// nothing about tokens.
//
// # What a session is bound to
//
//   - One person, found again by a stable ID. At each use the person's connector
//     is asked whether the account is still there and enabled, whether the password
//     is still the one that the session began with, and for today's groups.
//   - One service: a token of one registry is worth nothing at another.
//   - In a rotating session, one client ID. Elsewhere the client is recorded only:
//     docker, podman, skopeo, crane, helm and oras share one config.json and send
//     different client IDs (docs/decisions has what they send).
//   - A time: refresh_ttl after the login it is over, however much it is used.
//
// # Rotation
//
// docker ignores a new refresh token, so a session keeps its one token. Only for a
// client that asked for it at the login (refresh_token_rotation=true) each use
// replaces the generation. A generation that was replaced and is shown again is in
// two hands, so the session ends; except that for [LostAnswer] the one replaced
// last is taken once more, because the client may not have read the answer. What
// was handed out and never used is then void, and ends the session if it is shown.
//
// # What ends a session
//
// The person is gone from the backend, or is another one of the same name; the
// account is disabled or expired; the password was changed; a token was shown
// twice; somebody revoked it. An account that is locked, or must change its
// password, is refused and may come back: anybody can lock an account by guessing.
// A connector or a store that does not answer ends nothing and is [Outage].
//
// # When the store does not answer
//
// A session is remembered in the cache for [RememberFor] after the store last
// confirmed it. While the store is down it is honoured from there, provided that
// the feed of revocations is fresh, so that a session that was revoked meanwhile
// is known. A rotating one is not: its next generation could not be stored.
package sessions
