// Package bridge is the use case, in one readable place:
//
//	identify -> authorize -> mint -> audit
//
// A [Request] comes from package server/registry already parsed. [Bridge.Token]
// asks the connectors who the caller is, the policy what the caller may do in the
// registry that asks, signs a token that says so, and records all of it. It knows
// neither HTTP nor LDAP.
//
// # Outcomes
//
// Errors are [identity.Error] values, whose message a client may read:
//
//   - a wrong password, an unknown user and a locked account read the same
//     (Unauthenticated); the audit log has the reason;
//   - a connector that cannot answer, or is misconfigured, is Unavailable and
//     never Unauthenticated: an outage must not read as "wrong password";
//   - a caller who is granted part of what was asked, or none of it, gets a token
//     that says so, as the token specification wants. Where the registry entry
//     says deny_response: explain, an authenticated caller who is granted nothing
//     at all gets Forbidden with the reason and a decision ID.
//
// # Policy
//
// The policy in force is a [Revision], swapped atomically by [Bridge.SetPolicy].
// One request sees one revision.
package bridge
