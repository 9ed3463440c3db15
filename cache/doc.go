// Package cache keeps what may be forgotten: looked-up people, verified
// credentials and, later, revoked token IDs. There is one small interface,
// [Cache], with an in-process implementation ([Memory]) and one on Redis
// ([Redis]); one conformance suite (package cache/conformance) runs on both.
//
// Nothing here is the only copy of anything. A cache that is down, slow or
// emptied costs time and never a login: callers treat every error as a miss, and
// [Redis] stops asking a server that does not answer until it answers again.
//
// Keys are made by the caller and hold no secret and no password: see
// connectors for how a verified credential becomes a key.
package cache
