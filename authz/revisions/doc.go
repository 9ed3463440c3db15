// Package revisions keeps the policy's history: every document that was ever in
// force, who saved it, when and why.
//
// A [Revision] is never changed and never removed, and their numbers have no gaps.
// The newest one is in force. [History.Save] adds one under three conditions: the
// author has seen the newest (optimistic locking: [Stale] otherwise), the document
// has no fault, and its own tests pass ([authz.Problems] otherwise). Going back to
// an old one is [History.Rollback], which saves its text again under a new number,
// after the same checks: what was valid once may name things that are gone.
//
// The text is stored as it was written, with its comments, so that export and
// import give the same bytes.
package revisions
