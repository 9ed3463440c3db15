// Package api tests the REST API from outside: its OpenAPI document with somebody
// else's validator, and a real server with a real directory through a client that
// somebody else's generator has made from that document (folder client).
package api
