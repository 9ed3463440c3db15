// Package bridge is the use case, in one readable place:
//
//	identify -> authorize -> mint -> remember the session -> audit
//
// A [Request] comes from package server/registry already parsed. [Bridge.Token]
// finds out who the caller is, by a password that the connectors verify or by a
// refresh token (package tokens/sessions), asks the policy what the caller may do
// in the registry that asks, signs a token that says so, and records all of it. It
// knows neither HTTP nor LDAP.
//
// # Refresh tokens
//
// One is handed out only to a person who asked for it and has just proved a
// password, at a registry whose entry permits it, by a connector that can re-check
// the person without a password: never to an anonymous caller or a robot, nor for a
// login that an outage let through (by grace, or by on_unavailable: next). A store
// that does not answer costs the refresh token and not the login.
//
// # Outcomes
//
// Errors are [identity.Error] values, whose message a client may read:
//
//   - a wrong password, an unknown user and a locked account read the same
//     (Unauthenticated); the audit log has the reason;
//
//   - a connector that cannot answer, or is misconfigured, is Unavailable and
//     never Unauthenticated: an outage must not read as "wrong password";
//
//   - a caller who is granted part of what was asked, or none of it, gets a token
//     that says so, as the token specification wants. Where the registry entry
//     says deny_response: explain, an authenticated caller who is granted nothing
//     at all gets Forbidden with the reason and a decision ID.
//
//   - a refresh token that is not honoured is Unauthenticated, whatever the reason;
//     one that cannot be checked is Unavailable and stays good.
//
// # Policy
//
// The policy in force is a [Revision], swapped atomically by [Bridge.SetPolicy].
// One request sees one revision.
package bridge
