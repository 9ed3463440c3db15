// Package htpasswd is the connector for people in a file: usernames and bcrypt
// hashes as Apache's htpasswd writes them, and their groups from an Apache group
// file. It needs no network, so it is also the way in when every directory is
// down.
//
// # The password file
//
//	# a comment; blank lines are fine
//	alice:$2y$12$<53 characters>
//
// One line is a username, a colon and a bcrypt hash ($2a$, $2b$ or $2y$), made by
// `htpasswd -B -C 12 FILE alice`. Text behind a further colon is a remark, as in
// Apache. A username is UTF-8 without control characters and is compared byte for
// byte. The load refuses, naming each line:
//
//   - hashes of any other kind: MD5, SHA-1, crypt and clear text fall to a guess
//     at gigahertz speed;
//   - a cost over [MaxCost], with which a few logins would occupy the machine;
//   - a username that stands there twice.
//
// A cost under [MinCost] is accepted with a warning.
//
// # The group file
//
//	developers: alice bob
//	developers: carol
//
// Lines of one group add up. A member who is not in the password file has no
// effect and is warned about, because a person is often removed from one file
// before the other.
//
// # Outcomes
//
// A right password is Granted, a wrong one Denied. An unknown username is
// NotMine, so that the chain goes on. bcrypt reads 72 bytes of a password and
// ignores the rest; a longer one is refused instead.
//
// A person is re-checked without a password ([connectors.Rechecker]) by the line: as
// long as it has the same name and the same hash, it is the same person with the same
// password. Hashing a password anew counts as changing it.
//
// # What timing tells
//
// Every answer but Granted costs the same work: that of one hash of the highest
// cost in the file. An unknown username is checked against a dummy hash of that
// cost, and a wrong password for a cheaper hash is followed by dummies that make
// up the difference. So response times name no users.
//
// The price: where people of a later connector reach this one first, each of
// their logins costs a bcrypt check here too, about 60 ms of processor time at
// cost 10 and 250 ms at cost 12. Give this connector a `match` pattern if that is
// too much; the chain then never asks it about other names.
//
// # Load
//
// Checks run under a [Gate], which all connectors of a process share and which
// leaves one processor free (where there is more than one); those that had to wait
// run at a lower priority (on Linux). So a flood of logins cannot starve the issue
// of tokens. A login that waits longer than the queue timeout is Unavailable, which
// clients see as 503 with Retry-After.
//
// # Reload
//
// [Connector.Reload] swaps both files at once and atomically, or leaves the old
// data in force and says what is wrong. [Connector.Paths] is for
// [drawbridge/configs.Watcher].
package htpasswd
