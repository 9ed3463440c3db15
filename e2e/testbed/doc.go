// Package testbed starts the real programs that the tests run against, each on
// loopback, on a free port and in a temporary folder, and stops it when its test
// ends.
//
// # Programs
//
// [Tool] finds a program in $E2E_TOOLS, in .tools/bin, which `make tools`
// fills, or in PATH. A program that is missing fails the test and names the
// command that installs it.
//
// # What can be started
//
// [StartRegistry]: distribution 2.8, 3.0.0 and 3.1.1, with token authentication
// as [RegistryOptions] says. The port is chosen by the registry and read from its
// log, so that no two tests can want the same one.
//
// [StartSlapd], [StartDex], [StartRedis]: a directory, an OpenID Connect provider in
// front of one, and a cache.
//
// [StartNginx], [StartCaddy]: a gateway before a registry, with the configuration
// that a page of the documentation shows ([Shown]).
//
// [StartDNS]: a name server, which the tests' own resolver asks.
//
// [StartSamba]: an Active Directory domain controller. Its ports are fixed, so that
// each one gets a loopback address of its own, from 127.0.0.53 on, which a lock
// keeps others from taking; they are below 1024, and it runs as root only. The
// domain is provisioned once, kept in .tools/e2e and copied for every controller.
// The machine's own Samba and /etc/samba are neither read nor written.
package testbed
