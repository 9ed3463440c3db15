// Package server holds what every listener shares: the server certificate
// ([Certificate]), the client's address behind trusted proxies ([ClientAddr]),
// request IDs, traces, HTTP metrics, the telemetry endpoints ([Telemetry]) and a server
// that starts and drains ([Serve]). The endpoints themselves are in the folders
// below: registry/ for the token protocol.
//
// # Limits
//
// Headers are read within 10 s and have at most 64 KiB, a whole request within
// 30 s, and its answer is to be taken within 60 s. A connection without a request is
// closed after 120 s. Over TLS nothing below version 1.2 is spoken. docs/limits.md has
// these and those of the endpoints.
//
// # The end
//
// A server that is told to end must not be asked any more before it stops to
// listen, and only whoever sends it requests (a load balancer, a Service of
// Kubernetes) can see to that, once it knows. So [Serve] first goes on for
// Options.DrainDelay, while /readyz already fails: it accepts connections and
// answers requests, and has each client close its connection after the answer.
// Then it closes the listener and the connections that are idle, and lets the
// requests that are running finish within 20 s.
package server
