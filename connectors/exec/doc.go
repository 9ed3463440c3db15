// Package exec is the connector for everything that has no connector of its own:
// a program of the operator's is given the credential as JSON on its standard
// input and answers on its standard output which of the five outcomes it is.
// docs/write-a-connector.md is the page for those who write one.
//
// # The protocol, version 1
//
// A request is one line, a JSON object:
//
//	{"version":1,"id":1,"kind":"authenticate","connector":"hr","username":"alice","password":"secret"}
//	{"version":1,"id":2,"kind":"lookup","connector":"hr","username":"alice"}
//
// So is an answer, with the version and the id of the request:
//
//	{"version":1,"id":1,"outcome":"granted","identity":{"name":"alice","groups":["dev"],"mail":"a@b","stable_id":"17","credential_version":"3"}}
//	{"version":1,"id":1,"outcome":"not_mine"}
//	{"version":1,"id":1,"outcome":"denied","reason":"wrong_password"}
//	{"version":1,"id":1,"outcome":"unavailable","message":"the database does not answer"}
//	{"version":1,"id":1,"outcome":"misconfigured","message":"the API key is refused"}
//
// Of the identity only the name is required; a message is optional. A key that
// this version does not know, a key that is there twice, in another case, null,
// of another type or of another outcome, a reason that is not in the list, an
// empty name, one over 256 bytes or with a control character, text that is not
// UTF-8 and an answer over 1 MiB break the protocol. Lookups are asked only with
// `lookup: true`, see [Looker]; people with a stable ID then get refresh tokens, and
// a lookup with another stable ID or credential_version ends what these began.
//
// # Modes
//
// per_login starts the program for each request. It reads the request up to the
// end of its input, writes the answer and ends with 0. pooled keeps pool_size
// processes, each of which reads a line and answers it with a line, until its
// input ends. A process has one request at a time. One that dies is started
// again, at once after it had worked and with growing pauses otherwise.
//
// # What fails closed
//
// Only an answer that keeps to the protocol decides. An exit code other than 0
// (per_login), a signal, an answer to another request, a second line (pooled), no
// answer in time: all of that is Unavailable, and never Granted or Denied. A
// program that is not there or may not be run is Misconfigured. In pooled mode
// the process in question is killed and replaced, because it is out of step.
//
// # Processes
//
// Each process leads a process group. The whole group is killed when the time is
// over, when the caller goes away (per_login), and when the program itself has
// ended: what it leaves in the background does not outlive it. A descendant that
// makes a session of its own (setsid) escapes, and makes the login Unavailable if
// it holds the output open. At most pool_size processes exist at once; a login
// waits for half of the timeout for a place.
//
// # Secrets
//
// The password is in no argument and no environment variable, which others can
// read in /proc. The program inherits nothing but a PATH, the variables that `env`
// names, and three pipes. Its standard error goes to the log as warnings: bounded
// in lines and length, with the password taken out as it is, as JSON and as
// base64. No error quotes an answer. A program must not print the password in any
// other form.
package exec
