// Package edge tests how clients reach Drawbridge: certificates of an ACME authority
// and from files, and the limits that several servers share.
package edge
