// Package robot is the connector of machine accounts: build jobs, scanners,
// deployments. It needs no entry in the configuration and comes before every
// other connector.
//
// # Names
//
// A robot's name is made of a-z and 0-9 with single '.', '_' or '-' between
// them, at most 64 bytes, so that it is a legal repository component as it
// stands: `${user}` of a policy is robot--<name>. It logs in with the username
// robot.<name>, which every client can store (a ':' would end the username in
// HTTP Basic), and policies, tokens and the audit log call it robot:<name>.
//
// Every username that begins with "robot.", in any case, belongs to this connector
// (it is a [connectors.Owner]), and so does every password that begins as a
// robot's secret does, whoever is named with it. Neither is ever shown to a
// directory, so that a person who is called robot.x there is never asked about.
//
// # Secrets
//
// A secret is "dbrobot_", 43 characters 0-9A-Za-z that encode 256 random bits,
// and 6 that are the CRC-32 of those before. A scanner finds it by
// dbrobot_[0-9A-Za-z]{49}; the checksum tells a typing mistake from a secret that
// was revoked. Of a secret its SHA-256 is stored and nothing else: 256 random bits
// need no slow hash.
//
// A login hashes what it is given and looks the hash up in a map. The time that
// takes tells nothing of use: whoever could learn the leading bits of a stored hash
// would still have to invert SHA-256. A secret counts only with the name of its own
// robot.
//
// A robot has at most two secrets. Rotating makes one; the one before goes on
// until the overlap is over, and any older is gone. An overlap of zero is for a
// secret that leaked: the old one ends now, and so do the tokens it led to.
//
// # What is refused
//
// A robot that is unknown, disabled or expired, a secret that is malformed,
// unknown, expired or another robot's, and an address outside of the robot's CIDRs
// are all Denied, each with a reason of its own for the audit log and one sentence
// for the client. A robot without CIDRs may come from anywhere; one that has some
// is refused where the caller's address is not known. Every robot expires; the
// configuration's robots.max_ttl is the longest it may live.
//
// Wrong secrets are not counted and lock nobody out: at one address there are many
// build jobs, of which one has an old secret, and nobody guesses 256 bits. A flood
// of them costs what a flood of anonymous requests costs, less the signature: one
// SHA-256 each and a line of the audit log.
//
// # Where they live
//
// The robots are kept in the store and all of them in memory ([Roster]), read at
// the start and again whenever one was edited. A login asks nobody, and goes on while
// the store is down: then nobody can edit a robot either. A replica that is cut off
// from a store that others reach hears of edits through the feed's relay, if there
// is one, and the edited robots are Unavailable there until the store says what they
// are. Without a relay it hears nothing, and the robot that was deleted meanwhile
// logs in there until the store is back. Until they were read once, all robots are
// Unavailable, not unknown.
//
// When and from where a secret was last used is written at most once a minute,
// in the background ([Uses]): a login never waits for it, and a crash may lose the
// last minute.
package robot
