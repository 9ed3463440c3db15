// Package breakglass opens Drawbridge's administration for a bounded time while the
// directory that its administrators log in with is down.
//
// Somebody on the host arms it (`drawbridge breakglass arm`), which writes an
// [Arming] into the store and prints a password once. Until it ends, the account
// "breakglass" with that password administers: API and console. Its rights come from
// its kind (identity.BreakGlass) and not from the policy, since the policy may be
// what is broken. A policy cannot name it, so that a registry grants it what it
// grants anonymous callers, and it gets no refresh token.
//
// # Refusing
//
// The username belongs to this package whether something is armed or not, and so
// does every password that begins with [SecretPrefix]: no directory is shown either.
// A login is refused from memory unless the arming that is known has the password's
// SHA-256; only then the store is asked whether that arming is in force at this
// moment. So guessing costs nobody anything, an end is an end on every replica at
// once, and while the store does not answer nobody gets in.
//
// # Ending
//
// An arming ends when its time is over, when it is ended, or when another one takes
// its place. No arming lasts longer than [MaxFor]; one that says so in the store was
// not written by us and is not honoured.
package breakglass
