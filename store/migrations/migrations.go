// Package migrations holds the schema of package store: numbered SQL files in the
// form of goose, the same for SQLite and PostgreSQL. A released file is never
// edited; there are no "down" steps, since a backup is the way back.
package migrations

import "embed"

// FS holds the files.
//
//go:embed *.sql
var FS embed.FS
