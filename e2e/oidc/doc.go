// Package oidc_test runs the OpenID Connect connector against a real Dex whose
// people live in a real slapd.
package oidc_test
