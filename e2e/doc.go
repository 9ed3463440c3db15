// Package e2e holds the tests against the real programs: slapd, Redis, an OpenID
// Connect provider, the registries and their clients. It is a module of its own,
// so that what only a test needs never reaches the product's go.mod.
//
// Package testbed starts and stops the programs, on loopback and free ports.
package e2e
