// Package compose tests what is shipped for containers, on the machine's Docker
// engine: docker-compose.yml with everything it mounts and builds, unchanged and
// from a fresh checkout, and the classic set-up of a registry and an
// authentication server in one network namespace.
//
// Both want the ports 5000 and 5001 of loopback, which the files name. Where no
// engine answers the tests are skipped; with CI=true they fail.
package compose
