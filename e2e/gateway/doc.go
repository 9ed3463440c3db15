// Package gateway tests the configurations of docs/gateway.md: a real nginx and a
// real Caddy, run with the text of the page, between real clients and real
// registries, asking a real server about each request.
package gateway
