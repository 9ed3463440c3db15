// Package admin is the REST API under /api/v1, by which the policy is read and
// changed and questions about access are asked. Its OpenAPI 3.1 document, made
// from the types of this package, is served at /api/openapi.json and
// /api/openapi.yaml.
//
// # Conventions
//
//   - Callers show HTTP Basic (RFC 7617) and are verified by the same connectors as
//     registry logins, with the same limits on wrong passwords. What they may do
//     are the capabilities of their roles; see package bridge/manage.
//   - Errors are problem details (RFC 9457, application/problem+json). Faults of a
//     policy document are listed in `errors`, with the line as location.
//   - The policy has a strong entity tag, its revision. A write needs If-Match
//     (RFC 9110 section 13.1.1): 428 without one, 412 when somebody else was
//     faster.
//   - `?dry_run=true` on a write answers what it would do, and does nothing.
//   - Lists come in pages: `limit`, and `next` of the answer as `cursor` of the next
//     request.
//   - A browser page of another origin can make no request that changes anything,
//     whatever credentials the browser keeps.
package admin
