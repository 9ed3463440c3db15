package revisions_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/store"
)

func history(t *testing.T) *revisions.History {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &revisions.History{Store: s, Clock: time.Now, Compile: func(name string, text []byte) (*authz.Policy, error) {
		doc, err := authz.Parse(name, text)
		if err != nil {
			return nil, err
		}
		return doc.Compile(authz.Options{})
	}}
}

const (
	first  = "# one\nbindings: []\n"
	second = "# two\nbindings: []\n"
	tested = "bindings: []\ntests:\n  - as: { user: corp/alice }\n    repository: a/b\n    allow: [pull]\n"
)

func draft(base int64, text string) revisions.Draft {
	return revisions.Draft{Text: text, Author: "corp/alice", Reason: "JIRA-1", Base: base}
}

func TestSaveAndRollback(t *testing.T) {
	h := history(t)
	r1, err := h.Save(t.Context(), draft(0, first))
	if err != nil || r1.ID() != "r1" || r1.Author != "corp/alice" || r1.Reason != "JIRA-1" {
		t.Fatalf("got %+v, %v", r1, err)
	}
	if _, err := h.Save(t.Context(), draft(1, first)); !errors.Is(err, revisions.ErrUnchanged) {
		t.Errorf("the same text again: %v", err)
	}
	r2, err := h.Save(t.Context(), draft(1, second))
	if err != nil || r2.Number != 2 {
		t.Fatalf("got %+v, %v", r2, err)
	}
	diff := revisions.Diff(r1, r2)
	if !strings.Contains(diff, "-# one") || !strings.Contains(diff, "+# two") || !strings.Contains(diff, "--- r1") {
		t.Errorf("diff %s", diff)
	}
	r3, err := h.Rollback(t.Context(), 1, draft(2, "ignored"))
	if err != nil || r3.Number != 3 || r3.Text != first || r3.RollbackOf != 1 {
		t.Fatalf("got %+v, %v", r3, err)
	}
	if _, err := h.Rollback(t.Context(), 9, draft(3, "")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown revision: %v", err)
	}
}

func TestSaveRefuses(t *testing.T) {
	h := history(t)
	if _, err := h.Save(t.Context(), draft(0, first)); err != nil {
		t.Fatal(err)
	}
	problems, stale := authz.Problems{}, (*revisions.Stale)(nil)
	if _, err := h.Save(t.Context(), draft(0, second)); !errors.As(err, &stale) || stale.Newest != 1 {
		t.Errorf("a stale draft: %v", err)
	}
	if _, err := h.Save(t.Context(), draft(1, "bindings: [\n")); !errors.As(err, &problems) {
		t.Errorf("a faulty draft: %v", err)
	}
	if _, err := h.Save(t.Context(), draft(1, tested)); !errors.As(err, &problems) || problems[0].Line == 0 {
		t.Errorf("a draft whose test fails: %v", err)
	}
	for _, bad := range []revisions.Draft{
		{Text: second, Base: 1},
		{Text: second, Base: 1, Author: "corp/alice", Reason: "two\nlines"},
		{Text: second, Base: 1, Author: "corp/alice", Reason: strings.Repeat("x", 501)},
		{Text: strings.Repeat("#", authz.MaxDocumentBytes+1), Base: 1, Author: "corp/alice"},
	} {
		if _, err := h.Save(t.Context(), bad); err == nil {
			t.Errorf("%.50v was saved", bad)
		}
	}
	if newest, err := h.Store.NewestPolicy(t.Context()); err != nil || newest.Text != first {
		t.Errorf("in force is %+v, %v", newest, err)
	}
}

func TestParseID(t *testing.T) {
	for id, want := range map[string]int64{"12": 12, "r7": 7, "": 0, "r": 0, "0": 0, "-1": 0, "rr1": 0, "newest": 0} {
		if got, err := revisions.ParseID(id); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", id, got, err)
		}
	}
}
