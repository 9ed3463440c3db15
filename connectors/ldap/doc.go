// Package ldap verifies passwords against an LDAP directory by search-then-bind:
// the service account searches the person and the groups, and the person's own
// password is tried last, by a bind on a connection of its own.
//
// # A login
//
//  1. Refuse an empty username or password, a NUL, text that is not UTF-8 and
//     what is over the limits of package connectors, before any I/O. An empty
//     password would make a bind "unauthenticated" (RFC 4513 section 5.1.2),
//     which a directory answers with success.
//  2. Search user.filter under user.base_dn. No entry is NotMine; two are
//     Denied(ambiguous_user); one entry gives the DN, the name, the stable ID.
//  3. Find the groups (see below). An error there is Unavailable, never "no
//     groups", because groups take rights away as well as give them.
//  4. Bind as the DN on a new connection, with the password-policy control
//     (draft-behera-ldap-password-policy), because a directory lets somebody who
//     must change the password bind with success and says so in the control only.
//
// The entry also tells of an account that may not log in whatever the password:
// disabled, locked, expired, with a password to be changed (Active Directory's
// userAccountControl and what goes with it, 389's nsAccountLock, a lock of slapd
// for good). A lookup without a password is then Denied. A login makes the bind all
// the same, so that its time tells nothing, and is Denied whatever the bind says;
// where the bind says no more than "wrong password" the state is the reason for the
// audit log.
//
// What 2 and 3 found is cached for Deps.LookupTTL, so that a further login of the
// same username costs one bind and no search. A bind refused for a cached DN is
// followed by a fresh search, and by a second bind only if the person's DN has
// changed: a wrong password is never counted twice. Until the lookup's time is
// over, or the person is forgotten (Deps.Forgets), a login carries the name, the stable ID and the groups that were found at
// its beginning, also when a DN was given to somebody else meanwhile; the password
// and the state of the account are always the directory's of this moment.
//
// # A re-check
//
// A person who logged in before is looked for by name and, where that finds nobody
// or somebody with another stable ID, by the stable ID itself, so that a renamed
// person is found and a later one of the same name is not. The password is another
// one when the time of its last change is later than the one read with the login:
// pwdLastSet, pwdChangedTime, krbLastPwdChange or pwdUpdateTime, whichever the
// directory has first. A directory that has none of them tells nothing of a changed
// password. A re-check is never answered from the lookup cache.
//
// # Answers
//
// Every result of the directory is turned into one of the five outcomes by one
// table, [connectors.Outcome] by phase and result code (result.go). Recognised
// codes deny, the rest is Unavailable; a refused service account is
// Misconfigured and never the caller's fault.
//
// # Connections
//
// Every socket is ours: it is dialled under the context, each operation sets a
// deadline on it, and it is closed when the context ends. Service connections
// are pooled, carry one operation at a time and are discarded on any error. A
// connection that saw a person's bind is closed: after a failed one OpenLDAP
// makes it anonymous while Active Directory keeps the old identity.
//
// Hosts are tried in the order of the configuration. Each has a breaker: after a
// failure the host comes last for a time that doubles from one second to one
// minute, then one login tries it. A host that failed three times in a row is
// connected to by one login at a time, and the others are Unavailable at once
// unless another host answers. A search is retried once, on a fresh connection and
// another host where there is one. A person's bind is never sent twice.
//
// # Domains
//
// An entry of urls may be a domain, whose hosts are its SRV records (RFC 2782):
// ldaps+srv://corp.example asks for _ldaps._tcp.corp.example. Where there are no such
// records, as with Active Directory, it asks for _ldap._tcp.corp.example and takes
// the names with port 636, because the port in those records is that of plain LDAP.
// ldap+srv://corp.example asks for _ldap._tcp.corp.example and takes its ports.
// Priority and weight decide the order, which is drawn anew for each connection; the
// breakers then hold as they do among listed hosts.
//
// An answer is used for a minute and then asked for again behind the back of logins.
// While DNS fails or answers nothing usable, the last good answer stays in use, and
// hosts are reached at their last address.
//
// DNS is not authenticated, and whoever forges an answer would be sent passwords. So
// a name that is not in the queried domain is passed over, whatever its certificate,
// since anybody can have one for a name of their own; and the certificate must be
// for the name itself. _sites and _msdcs names, as Active Directory has them, count
// as the domain that follows them.
//
// # Groups
//
// groups.mode is one of
//
//	none       nobody has groups
//	member_of  the DNs in the person's memberOf attribute
//	search     groups.filter under groups.base_dn, such as (member={dn})
//	ad_nested  the groups that Active Directory's own rule finds, in one search,
//	           with the person's primary group and the groups that one is in
//
// (posixGroup lists names, not DNs: search with (memberUid={username})), and in
// the modes member_of and search groups.nested adds the groups whose member is one of those groups, walked
// upward by the client in batches, with every DN visited once and caps on depth
// and count that make the login Unavailable rather than cut the set short.
//
// Group searches are paged (RFC 2696), and a memberOf that comes in ranges is read
// to its end; what does not fit together is an error and no part of an answer.
// ad_nested is refused on a server whose root DSE does not call it an Active
// Directory: OpenLDAP answers the rule with success and no groups.
//
// A group is called by its groups.name_attr; `dn` stands for the whole DN.
//
// # Filters
//
// user.filter and groups.filter hold placeholders: {username}, and in
// groups.filter {dn}. They stand in value position only, are replaced in one
// pass and escaped once (RFC 4515 section 3), so that a username never changes
// what a filter means. In groups.filter {username} is the name the directory
// gave, not the one that was typed.
//
// # What is logged
//
// Usernames, DNs and filters appear at debug only: people type passwords into
// the username field. Passwords appear nowhere.
package ldap
