// Package doctor finds out why logging in to a registry fails, on the live setup: it
// asks the registry and Drawbridge what clients ask them, compares the answers with
// the configuration, and says what is wrong and what to change.
//
//	report := doctor.Run(ctx, doctor.Checks(options))
//
// # Checks and findings
//
// A [Check] looks at one thing and comes to one [State]. One that needs an earlier
// check which did not succeed is not made, and says so: a registry that cannot be
// reached is one finding and not ten.
//
// What is wrong is a [Finding] out of a closed catalogue ([Catalogue]): its ID is
// stable, and docs/doctor.md has a section for each, which a test compares.
//
// # How a refused token is explained
//
// A registry answers every token that it does not accept alike, and has the reason
// in its log. So doctor tries: the token that the server would make, then tokens with
// one thing changed, until one is accepted ([tokens.Trial]). What was changed is the
// reason. A wrong issuer cannot be told from a wrong trust anchor unless the right
// issuer is among those tried; then the finding names both.
//
// # What it leaves behind
//
// Nothing. A trial is for a repository that nobody has, and good for a minute. An
// upload, which finds what proxies do to a push, is begun only where it is asked for,
// and cancelled. Passwords, secrets and tokens are in no report.
package doctor
