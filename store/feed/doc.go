// Package feed is what the processes that share a store tell each other: a
// numbered list of changes, kept in the store until nobody needs to know them.
//
// A [Change] says that something is no longer what it was (a token is revoked, a
// person is to be forgotten, a robot was edited), so that every process acts upon
// it within a second. It is never the only record of what it announces, except
// for revocations, which are nothing but changes.
//
// # Following
//
// A [Follower] looks at the store every 250 ms and hands each new change to who
// has asked for its kind, in the order of the numbers; at the start every change
// that has not expired. It may hand out a change a second time, never none. What
// it does not know is refused by who relies on it: [Follower.Fresh] is nil only
// while the last complete look began less than a second ago, so that whatever was
// acknowledged a second ago is known.
//
// Numbers have no gaps but those of expired changes, and a store whose newest
// number is below one that was seen already is another one, or an older state of
// it: everything is read anew.
//
// # The relay
//
// A store that does not answer for a while should not stop everybody who needs to
// be fresh. A [Relay] is the newest part of the list in a shared cache (Redis):
// one key for each change and one for the newest number, the head. Who writes a
// change puts it there, and so does every follower that sees one in the store; a
// follower that finds the head missing or behind puts the last changes there
// again, because the cache was emptied or has lost something.
//
// While the store does not answer, a follower reads the relay. It is fresh if the
// head is there and every change between what it knows and the head. Nobody can
// write to the list while the store does not answer, so that this is everything.
// A head that is missing, or lower than what the follower knows, or a change that
// is missing, proves that the cache has lost something, and the follower is not
// fresh until the store answers: nothing is ever concluded from an empty cache.
//
// A follower that knows more than the relay holds, because it had no time to put it
// there before the store went away, goes on all the same: what it did not put proves
// nothing by being missing.
//
// The head has no compare-and-swap, so that of two writers the slower one may set
// it back by a few numbers. That is why a follower tries the numbers after the
// head as well, and why a head below what it knows is accepted if the changes in
// between are there; and why a change that is missing stops a follower also where
// one of the next few is there.
//
// A writer that cannot reach the cache does not return before the followers have had
// time to read its change in the store, and not without an error if the store fails
// meanwhile. What remains: a follower that reaches the cache and not the store, and a
// writer for which it is the other way round, with no third process that reaches
// both.
//
// # Expiry
//
// Every change has an end. The store leaves expired changes out, and the followers
// remove them from it now and then.
package feed
