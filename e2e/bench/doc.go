// Package bench runs the load of drawbridge/bench against the release build, a
// real slapd and a real Redis, and writes bench/RESULTS.md when it is told to.
package bench
