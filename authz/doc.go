// Package authz decides what a caller may do in a registry. It reads a policy
// document, indexes it, answers decisions and explains them.
//
// It is pure: no I/O, no clock, no HTTP; it imports nothing of Drawbridge but
// package identity. [Parse] turns text into a [Document] or into every fault
// there is, with line numbers. [Document.Compile] turns a Document into a
// [Policy] and runs the tests that the document states about itself.
// [Policy.Subject] resolves a caller once per request, [ParseScopes] reads what
// the request asks for, and [Policy.Decide] says for each scope what the token
// carries.
//
// # The document
//
// A policy is one YAML document with four sections, each of which may be absent:
//
//	roles:                        # your own, beside the built-in ones
//	  releaser: [pull, push]
//	bindings:                     # the only thing that grants
//	  - name: payments-developers # unique; explain and audit refer to it
//	    role: pusher
//	    subjects: ["group:corp/payments-dev", "robot:payments-ci"]
//	    repositories: ["payments/**"]
//	    registries: ["Docker registry"]  # optional: only on these services
//	    expires: 2027-01-31T00:00:00Z    # optional: RFC 3339, with a zone
//	    reason: "JIRA-123"               # optional: for people
//	guardrails:                   # the only deny
//	  - name: releases-stay
//	    deny: [delete, push]
//	    repositories: ["release/**"]
//	    except: ["group:corp/release-managers"]  # optional
//	    registries: ["Docker registry"]          # optional
//	    reason: "..."                            # optional
//	tests:                        # run on every load
//	  - as: { user: corp/alice, groups: [corp/payments-dev] }
//	    repository: payments/api
//	    allow: [pull, push]
//	    deny: [delete]
//
// Reading is strict. Unknown and duplicate keys, wrong types, empty lists, YAML
// aliases, anchors, tags, merge keys and a second document are faults, and so is
// an empty document, which is more often a truncated file than a wish: a policy
// that grants nothing is written `bindings: []`. A document has at most
// [MaxDocumentBytes].
//
// # Actions, roles and capabilities
//
// Actions are pull, push, delete and catalog (listing every repository of a
// registry). A role is a set of actions; one that holds push holds pull too, as
// registries ask for both. The built-in roles cannot be redefined:
//
//	puller          pull
//	pusher          pull, push
//	maintainer      pull, push, delete
//	catalog-reader  catalog
//	auditor         no action; may read the audit log (a capability)
//	policy-admin    no action; may read the audit log and change the policy
//	namespace-owner no action; may change the bindings of its own repositories
//
// A capability is a right in Drawbridge itself, never in a token, and comes from
// built-in roles only: see [Policy.Capabilities].
//
// The catalog and the capabilities are not limited to repositories. A binding
// whose role holds nothing else leaves `repositories` out, and one that names
// some is a fault: a policy-admin "of payments/**" would be one of everything.
// A namespace-owner is the exception: its `repositories` are what is given into
// its subjects' hands, plain segments and then **, and [Trespass] holds them to it.
// The same holds for a guardrail that denies the catalog alone, and for
// `registries` with a capability.
//
// # Subjects
//
//	user:<connector>/<name>    one person
//	group:<connector>/<name>   the people whom that connector finds in the group
//	robot:<name>               one robot
//	authenticated              every user and robot
//	anonymous                  everybody, also who is not logged in
//
// The connector ends at the first '/' and the name is all that follows, with
// slashes, spaces and anything else but control characters; a distinguished name
// is a fine group name. The connector `*` stands for any; nothing in a name is a
// pattern. Names compare byte by byte.
//
// anonymous includes authenticated callers, so that nobody loses a right by
// logging in. A robot is no user and is in no group.
//
// # Patterns
//
//	pattern = segment *( "/" segment )
//	segment = literal | glob | "${user}" | "${group}" | "**"
//
// A literal is a path component of the distribution project's grammar (lower-case
// letters and digits joined by '.', '_', '__' or dashes), or, first of several
// segments, a host with an optional port. A glob has `*` in it, each for any run
// of characters within the segment, also none. `**` stands only last and matches
// one or more segments: payments/** does not match payments. `${user}` and
// `${group}` stand only as whole segments. They are compared with the slug of the
// caller, or of any of the caller's groups, as data: a group called `*` opens the
// one segment that is its slug and no other. There are no regular expressions,
// and no pattern takes more than a bounded number of steps.
//
// # Slugs
//
// A name becomes a legal path component, and no two names the same one:
//
//   - a-z and 0-9 stand for themselves, and so does one '.', '_' or '-' directly
//     between two of them;
//   - every other byte becomes `__` and two lower-case hex digits;
//   - when the first byte has to be escaped, the slug begins with `0__00`, the
//     escape of a NUL, which no name holds.
//
// So jürgen is j__c3__bcrgen and Alice is 0__00__41lice. Upper case is escaped
// and not folded, since a directory may hold both alice and Alice. The scheme is
// injective because it can be read backwards: `__` occurs in a slug only where an
// escape begins, as an underscore beside another one does not stand between
// letters or digits and is itself escaped.
//
// Names of the home connector ([Options.HomeConnector]) are bare. Names of any
// other connector begin with it and `--`, as in users/sso--alice, and robots' with
// robot--. A bare slug never holds `--`, and no connector is called robot. With no
// home connector every user's slug is bare, which is for checking a document
// without its installation.
//
// A name that is empty, is not UTF-8, holds control characters or whose slug has
// over 128 bytes has no slug, and `${user}` or `${group}` matches nothing for it.
//
// # Decisions
//
// Evaluation has no order:
//
//	granted = union of the live bindings that match - guardrails that match
//	token   = requested ∩ granted
//
// A binding matches when the caller is one of its subjects, the repository fits
// one of its patterns, the registry (the `service` of the request) is among its
// registries, and it has not expired: it grants up to and not including its time.
// A guardrail matches when repository and registry do and the caller is none of
// its exceptions; it wins over every binding. Guardrails take exactly the actions
// they name: denying pull leaves push.
//
// The catalog is asked for as registry:catalog:* or, by zot, as repository::pull.
// Unknown resource types, unknown actions, malformed scopes and names outside the
// grammar grant nothing and fail nothing: they stay in the result of ParseScopes,
// and [Scope.Fault] says what is wrong.
//
// # The index
//
// Patterns lie in a tree of the literal segments they begin with, and at each node
// of it bindings lie under their subjects, which are numbered when the document is
// compiled. A decision walks down the tree along the repository's name and looks
// at each node only for the numbers that the caller has. Bindings for other
// repositories or for other people are not looked at, so the cost of a decision
// follows what can match and not the size of the document. A caller who matches up
// to 64 principals of the policy costs no allocation.
//
// # Explain
//
// [Policy.Explain] is the same evaluation with a trace. It names the bindings and
// guardrails behind each action and the near misses: bindings that would have
// granted a missing action but for one condition. It tells about other people's
// rights and is for administrators; [Explanation.ClientReason] is the sentence
// that the caller may read.
//
// # Tests
//
// A test says who asks (`user` and `groups`, `groups` alone for somebody in them,
// `robot`, or `anonymous: true`), for what (`repository` or `catalog: true`), and
// what has to be granted (`allow`) or not (`deny`). Actions in neither list are
// left open. Optional are `registry` and `at`, a time:
//
//   - Without `registry`, one registry has to grant all that is under allow, and
//     none may grant anything that is under deny.
//   - Without `at`, no binding has expired yet. A document that loads today loads
//     next year: a binding that expires does not turn its tests red.
//
// A document with a failing test does not compile. [Document.RunTests] lists all
// results.
package authz
