// Package store keeps what must outlive a crash: sessions, revocations, robots,
// public signing keys, policy revisions and the audit events.
//
// There is one [Store], over SQLite in data_dir (the default) or over PostgreSQL
// (several replicas). Both speak the same SQL from the same migrations, and one
// conformance suite (package store/conformance) runs on both.
//
// # What is promised
//
// When a method returns without an error, what it wrote survives a kill -9 and a
// power cut: SQLite syncs its write-ahead log at every commit, PostgreSQL as its
// server is configured (synchronous_commit). A method that returns an error may
// or may not have written; every method is safe to call again.
//
// Whatever keeps the database from answering is [ErrUnavailable]: a caller turns
// it into 503 and never into "no such session". A PostgreSQL that is down does
// not stop the start: the schema is brought up to date by the first call that
// reaches it.
//
// # The schema
//
// Migrations are the numbered files in migrations/, applied by goose, each in a
// transaction; they are never edited once released. The tables use only what both
// databases have: TEXT, BIGINT and BOOLEAN-free columns. Times are Unix
// milliseconds (UTC), zero for "never"; lists are JSON texts. SQL is written with
// $1, $2 ... which both drivers read.
//
// No secret is stored in the clear: of refresh tokens and robot secrets there is
// SHA-256 only, which is enough because they have 256 random bits. Private static
// signing keys are encrypted under a key that follows from the signing CA's.
//
// # Replicas
//
// Whoever changes what another process must learn of at once appends a
// [feed.Change] in the same transaction. The sequence numbers are handed out
// under a lock that lasts until the commit, so that a reader who has seen number n
// will never find a smaller one later.
//
// A file for each table holds its methods: changes.go, sessions.go and so on.
package store
