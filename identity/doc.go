// Package identity is the vocabulary every other package shares: who somebody
// is ([Identity]), what they showed to prove it ([Credential], [Secret]), which
// usernames a connector wants ([UsernamePattern]) and the one error type that
// crosses package borders ([Error]).
//
// It imports nothing of Drawbridge and does no I/O.
//
// # Names
//
// A person is written <connector>/<name>, as in corp/alice, in policies, tokens,
// logs and commands alike. The name comes from the connector's backend (the
// directory, the ID token, the htpasswd file) and never from what was typed at a
// login prompt. A robot is written robot:<name>. The anonymous caller has no name.
//
// # Secrets
//
// A [Secret] prints as [redacted] through fmt, log/slog, encoding/json and
// yaml; only [Secret.Reveal] gives the text, so that a review can find every
// place that does.
package identity
