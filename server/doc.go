// Package server holds what every listener shares: the server certificate
// ([Certificate]), the client's address behind trusted proxies ([ClientAddr]),
// request IDs, HTTP metrics, the telemetry endpoints ([Telemetry]) and a server
// that starts and drains ([Serve]). The endpoints themselves are in the folders
// below: registry/ for the token protocol.
//
// # Limits
//
// Headers are read within 10 s and have at most 64 KiB, a whole request within
// 30 s. Over TLS nothing below version 1.2 is spoken.
package server
