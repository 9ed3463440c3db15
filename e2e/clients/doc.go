// Package clients runs the whole of Drawbridge as its users meet it: the real
// server program, a real slapd and Redis, the three registries, and the programs
// that people log in, push and pull with: docker, skopeo, crane, helm and oras-go.
//
// The realm and the registries are named localhost, because crane and oras-go
// refuse a realm that is an IP literal. Certificates are verified by every client
// but docker, whose engine takes registries on loopback, and their realm, as they
// are.
package clients
