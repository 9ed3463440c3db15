// Package conformance is what a database must do for package store, as tests that
// run on SQLite and on PostgreSQL alike. A file for each table holds its tests.
package conformance

import (
	"maps"
	"testing"

	"drawbridge/store"
)

// Open returns a store over an empty database, and again a store over the same
// database when it is called again with the same test. It registers its own
// cleaning up with t.Cleanup. Two stores open at the same time stand for two
// replicas.
type Open func(t *testing.T) *store.Store

// Run runs the suite. fresh is called once for each test and returns an Open over
// a database of that test's own.
func Run(t *testing.T, fresh func(t *testing.T) Open) {
	t.Helper()
	tests := map[string]func(t *testing.T, open Open){
		"changes come back in order":             testChangesInOrder,
		"changes are numbered as they commit":    testChangesConcurrent,
		"changes expire":                         testChangesExpire,
		"changes are removed in batches":         testChangesPrune,
		"changes are refused when incomplete":    testChangesIncomplete,
		"policy revisions follow each other":     testPolicies,
		"one of two saved policies wins":         testPoliciesConcurrent,
		"two stores open one database at a time": testOpenTogether,
		"keys come back":                         testKeysComeBack,
		"keys are not written over blindly":      testKeysConflict,
		"keys stay revoked":                      testKeysRevocationStays,
		"keys of a service are made once":        testKeysOneStatic,
		"keys are pruned":                        testKeysPruned,
	}
	maps.Copy(tests, robotTests())
	maps.Copy(tests, sessionTests())
	maps.Copy(tests, breakGlassTests())
	maps.Copy(tests, auditTests())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}
