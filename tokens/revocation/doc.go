// Package revocation knows which tokens of ours are not to be honoured any more.
//
//	list := revocation.NewList(follower, nil)
//	claims, err := keys.Verify(token)
//	err = list.Check(claims)
//
// A revocation is a change of the store's feed (package feed) and nothing else: it
// is durable when [Revoker] returns, and in force in every process within a second
// and in this one at once. There are four:
//
//   - a token, by its jti;
//   - a session, by its ID: every token made from it (sid);
//   - a person or robot, by the qualified name (corp/alice, robot:ci): every token
//     whose caller was verified at that moment or before. Who logs in afterwards
//     gets tokens that are good; whether they can is the connector's matter. Names
//     are compared without regard to case, since somebody types them;
//   - a signing key, by its kid: every token that it has signed.
//
// A token whose caller is remembered from an earlier login carries the time of that
// login, so that it cannot be had again in the second that a person's revocation
// takes to reach the process that remembers. The clocks of the machines must agree,
// as they must for tokens in any case.
//
// # The list
//
// [List] holds what is live in memory, so that a check asks nobody. It keeps no IDs,
// but 128 bits of a keyed hash of each, and drops what has expired: a million
// revocations cost some 60 MB. Two IDs with the same hash would refuse one token
// too many, and never let one through.
//
// A list that does not know everything that was revoked until a second ago answers
// [ErrUnknown]. That is not "not revoked": callers refuse (503).
package revocation
