package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"drawbridge/store"
	"drawbridge/tracing/tracingtest"

	"github.com/google/go-cmp/cmp"
)

// Each call on the store is a span; that something is not there is an answer.
func TestCallsAreTraced(t *testing.T) {
	s := openSQLite(t, t.TempDir())
	got := tracingtest.Traced(t.Context(), func(ctx context.Context) {
		if _, err := s.Session(ctx, "hunter2"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if _, err := s.PruneSessions(ctx, time.Now()); err != nil {
			t.Error(err)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.CountSessions(gone, time.Now()); !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	})
	const want = `  sqlite find a session db.system.name=sqlite drawbridge.outcome=not_found
  sqlite forget expired sessions db.system.name=sqlite drawbridge.outcome=ok
  sqlite count the sessions! db.system.name=sqlite drawbridge.outcome=failed error.type=failed
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
