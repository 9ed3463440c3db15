// Package client does what package bridge/manage does, by the REST API of a server
// elsewhere: its methods are those of manage.Seat, with the same values and the same
// errors, so that the commands need not know which of the two they use.
//
// It shows HTTP Basic with each request and follows no redirect: the password is for
// the one server that was named. Errors are [identity.Error] values with the
// server's sentence; authz.Problems for a document with faults.
package client
