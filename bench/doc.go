// Package bench measures the program as an operator runs it: the release build
// of cmd/drawbridge in a process of its own, asked for tokens over loopback.
// RESULTS.md has the figures of the last run; this makes them again:
//
//	make bench
//
// The run itself is a test in e2e/bench, because it starts a real slapd and a
// real Redis with package testbed of the end-to-end tests. Without -args -write
// it is a short one that checks the harness and writes nothing.
//
// # What is measured
//
// [Run] is a closed loop: a number of connections, each of which sends its next
// request when the last answer has been read whole. It is bounded in time and in
// requests, begins with a warm-up that is not counted, and any answer but the
// expected one fails it. Latency is what the client sees; client and server
// share the machine's processors, so that throughput is what both together
// achieve, and the client is the larger half of it.
//
// All rows are run in turn, several rounds of them, and the fastest round of each
// is kept: other work on the machine only ever slows a round down, and a slow
// minute does not fall on one row alone.
//
// The table also has the processor time that the server alone spent
// on a request, and a baseline from the same run, in the same way: [Baseline], a
// bare net/http server that signs one fixed token of the same size and writes
// the same answer. The difference between the two is what Drawbridge adds to
// HTTP and one ECDSA signature.
package bench
