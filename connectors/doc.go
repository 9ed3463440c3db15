// Package connectors is the contract between the bridge and the places where a
// company keeps its people, and the chain that asks them in order.
//
// A [Connector] verifies a username and a password against one backend and
// answers with an [Outcome]: exactly one of
//
//   - Granted(identity): the backend vouches for the caller;
//   - NotMine: the backend does not know the username, ask the next connector;
//   - Denied(reason): the username is known here and the login is refused;
//   - Unavailable(cause): the backend cannot answer now;
//   - Misconfigured(cause): our own settings are wrong, such as the service
//     account's password. It is never the caller's fault.
//
// There is no (bool, error): code that collapses these turns a directory outage
// into "wrong password". Only recognised answers of a backend deny; everything
// else is Unavailable.
//
// # The chain
//
// A [Chain] falls through to the next connector on NotMine alone. Denied stops,
// else one password is sprayed over several directories and a same-named user of
// a weaker source is accepted. Unavailable and Misconfigured stop as well, else
// knocking the directory over selects a weaker connector for the same name;
// `on_unavailable: next` is the explicit exception, and each use of it is
// reported in the [Verdict].
//
// An [Owner] stands before all of this: credentials of its form are shown to nobody
// else.
//
// # What is remembered
//
// A [CachedChain] remembers what the chain said of a credential, and connectors may
// remember whom they found. A [Forgets] makes all of that worthless for a person, in
// every process at once, and everything that remembers people asks one.
//
// # Further abilities
//
// What only some backends can do is a small optional interface beside
// [Connector], such as [Looker] and [Rechecker]. A caller finds it with a type assertion.
package connectors
