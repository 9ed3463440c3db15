// Package backup writes the whole state of an installation into one encrypted file,
// and restores it.
//
// # What is in it
//
//   - The store: every row of every table as of one moment, in a form that either
//     database takes ([store.Snapshot]). What SQLite held restores into PostgreSQL,
//     and the other way round.
//   - The files of data_dir: signing keys and CA, the self-signed certificate, the
//     ACME account, the embedded default's htpasswd. They are read while nobody may
//     rotate a key, and the moment of the store falls into that time.
//   - Files elsewhere that the configuration names, and the configuration itself:
//     their names always, their content on request.
//
// # The file
//
// An age file (https://age-encryption.org/v1), for a passphrase or for recipients,
// of a gzipped tar archive. There is no form in the clear: the file holds the key
// that signs tokens for anybody.
//
//	manifest.json                  what this is, by which version, of when
//	data/PATH                      files of data_dir
//	external/PATH                  files elsewhere, by their absolute path
//	store/TABLE/NUMBER.jsonl       a line with the columns, then one for each row
//	contents.json                  SHA-256 and size of each entry before it
//
// contents.json comes last, so that an archive that ends early is known as such, also
// where the encryption cannot tell. age authenticates every block, so that a changed
// file is refused. What a recipient's file does not have is an author: whoever knows
// the public key can make one that we would restore.
//
// # Restoring
//
// Everything is read and checked before anything is written. Then data_dir, which has
// to be empty, is filled in a folder of its own below it, named [Marker]; when all is
// there it is moved to its place, the database commits, and the folder goes. Nothing
// serves while the folder is there ([Interrupted]), and the next restore removes what
// a killed one left: there is no state between nothing and all.
//
// # What is refused
//
// A file that is no backup, was cut off or changed, is for another key, or was made
// with a newer schema or a newer form of the archive; a data_dir or a database that
// is in use; names that lead out of data_dir.
package backup
