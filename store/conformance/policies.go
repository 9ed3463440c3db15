package conformance

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"drawbridge/authz/revisions"
	"drawbridge/store"
	"drawbridge/store/feed"

	"github.com/google/go-cmp/cmp"
)

func policy(number int64) revisions.Revision {
	return revisions.Revision{
		Number: number, Text: "bindings: [] # ü\n", Author: "corp/alice", Reason: "JIRA-1", At: At(), RollbackOf: number - 1,
	}
}

func testPolicies(t *testing.T, open Open) {
	s := open(t)
	if none, err := s.NewestPolicy(t.Context()); err != nil || none.Number != 0 {
		t.Fatalf("an empty store has %v, %v", none, err)
	}
	want := []revisions.Revision{policy(1), policy(2), policy(3)}
	for _, r := range want {
		if err := s.AppendPolicy(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := open(t).NewestPolicy(t.Context())
	if diff := cmp.Diff(want[2], got); err != nil || diff != "" {
		t.Errorf("newest: %v %s", err, diff)
	}
	got, err = s.PolicyRevision(t.Context(), 2)
	if diff := cmp.Diff(want[1], got); err != nil || diff != "" {
		t.Errorf("revision 2: %v %s", err, diff)
	}
	if _, err := s.PolicyRevision(t.Context(), 4); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revision 4: %v", err)
	}
	testPolicyHistory(t, s)
}

func testPolicyHistory(t *testing.T, s *store.Store) {
	t.Helper()
	page, err := s.PolicyHistory(t.Context(), 3, 1)
	if err != nil || len(page) != 1 || page[0].Number != 2 || page[0].Text != "" {
		t.Errorf("history: %v, %v", page, err)
	}
	if all, err := s.PolicyHistory(t.Context(), 0, 10); err != nil || len(all) != 3 || all[0].Number != 3 {
		t.Errorf("history: %v, %v", all, err)
	}
	changes, _, err := s.ChangesSince(t.Context(), 0, 10)
	if err != nil || len(changes) != 3 || changes[2].Kind != feed.PolicyChanged || changes[2].Value != "r3" {
		t.Errorf("changes: %v, %v", changes, err)
	}
}

func testPoliciesConcurrent(t *testing.T, open Open) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		s := open(t)
		wg.Go(func() {
			err := s.AppendPolicy(t.Context(), policy(1))
			stale := (*revisions.Stale)(nil)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.As(err, &stale) || stale.Newest != 1:
				t.Errorf("the loser reads %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
	// Who lost has announced nothing.
	if changes, newest, err := open(t).ChangesSince(t.Context(), 0, 10); err != nil || len(changes) != 1 || newest != 1 {
		t.Errorf("changes: %v, %d, %v", changes, newest, err)
	}
}
