// Package ldap tests the LDAP connector against a real slapd: logins, groups,
// account states, outages and what they may not be mistaken for.
package ldap
