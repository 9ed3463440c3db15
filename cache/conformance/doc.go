// Package conformance is the one test suite for every implementation of
// [cache.Cache]. Package cache runs it on the in-process cache, e2e/cache on a
// real Redis, alone, behind Sentinel and as a Cluster.
//
// What it pins down beyond the interface's words: keys and values are arbitrary
// bytes; a Set with a ttl of zero or less changes nothing; a value handed in may
// be changed by the caller afterwards; an ended context is answered promptly and
// with its error; operations may run at the same time.
package conformance
