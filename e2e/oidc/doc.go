// Package oidc_test runs the OpenID Connect connector, and a whole server with two
// of them, against real Dexes whose people live in real slapds.
package oidc_test
