// Package tokens tests, against the real registries, which tokens they verify:
// the matrix of PROTOCOL.md section 2, registry version by token form by
// algorithm. The tokens of the product come from package drawbridge/tokens; forms
// that the product does not make are signed by the test itself.
package tokens
