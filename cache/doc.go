// Package cache keeps what may be forgotten: looked-up people, verified
// credentials, and how many wrong passwords there were. There are two small
// interfaces, [Cache] and [Budget], each with an in-process implementation
// ([Memory], [MemoryBudget]) and one on Redis ([Redis], [RedisBudget]); one
// conformance suite (package cache/conformance) runs on both.
//
// Nothing here is the only copy of anything. A cache that is down, slow or
// emptied costs time and never a login: callers treat every error as a miss, and
// [Redis] stops asking a server that does not answer until it answers again.
//
// Keys are made by the caller and hold no secret and no password: see
// connectors for how a verified credential becomes a key.
//
// # In process
//
// [Memory] is bounded by the bytes of its keys and values, with an allowance for
// each entry. When it is full, what is used least goes first, so that a flood of
// made-up usernames does not push out the people who are there. Time is counted
// along the monotonic clock: a wall clock that is set back prolongs nothing.
//
// # On Redis
//
// [ParseRedisURL] has the forms of the URL: one server, a master behind
// Sentinel, or a Cluster. Every key begins with "drawbridge:". The commands are
// GET, SET, DEL and EXISTS, EVAL for a [RedisBudget] with the commands inside its
// scripts, and CLUSTER SLOTS in a cluster, so that a user with these rights is
// enough:
//
//	ACL SETUSER drawbridge on >password ~drawbridge:* +get +set +del +exists +cluster|slots \
//	    +eval +time +zadd +zcount +zrangebyscore +zrem +zremrangebyscore +zscore +pexpire
//
// A script touches one key, so that a Cluster runs it as it runs any command.
//
// # When Redis does not answer
//
// One operation takes at most [DefaultTimeout], and there are no second attempts.
// One operation that runs into it, or three in a row that fail at once, open a
// breaker: from then on every operation fails with [ErrDown] without touching
// the network. Logins go on: [Tiered] keeps what Redis did not take in the process
// that wanted to write it, for as long as a credential is good without asking
// anybody and no longer, since replicas do not see each other's answers meanwhile.
// Whom `drawbridge user forget` has dropped is told by the store, not by Redis.
//
// While the breaker is open, one goroutine asks once per second for the key
// whose operation failed. When that is answered, in time, the breaker closes by
// itself. The log has one line when Redis goes down and one when it is back;
// [Redis.Healthy] and [Redis.Stats] tell the rest.
//
// A Redis that answers, but refuses single commands (out of memory, a replica, a
// missing right), opens no breaker. That is logged once a minute.
//
// A [RedisBudget] fails in the same way, and its caller counts in a [MemoryBudget]
// meanwhile: each process for itself, so that n replicas let through n times as
// much until Redis is back.
package cache
