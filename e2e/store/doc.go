// Package store_test runs the store's conformance suite on a real PostgreSQL
// server, and what only a server can be put through: being killed, restarted and
// unreachable.
package store_test
