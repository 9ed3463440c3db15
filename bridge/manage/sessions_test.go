package manage_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/tokens/sessions"

	"github.com/google/go-cmp/cmp"
)

// sessions begins one session for each name, which is also its ID.
func (w *world) sessions(ids ...string) {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i, id := range ids {
		who, _, _ := strings.Cut(id, "-")
		began := now.Add(-time.Duration(i) * time.Second)
		s := sessions.Session{
			ID: id, Person: identity.Identity{Kind: identity.User, Connector: "corp", Name: who}, Service: "main",
			CreatedAt: began, LastUsedAt: began, ExpiresAt: now.Add(time.Hour), Token: sessions.TokenState{Session: sessions.Hash(id)},
		}
		if _, err := w.store.CreateSession(w.t.Context(), s, 100); err != nil {
			w.t.Fatal(err)
		}
	}
}

// listed returns the IDs of all pages.
func (w *world) listed(a manage.Actor, q manage.SessionQuery) (string, error) {
	var ids []string
	for {
		page, err := w.ListSessions(w.t.Context(), a, q)
		if err != nil {
			return "", err
		}
		for _, s := range page.Sessions {
			ids = append(ids, s.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return strings.Join(ids, " "), nil
		}
	}
}

func TestListSessions(t *testing.T) {
	w := newWorld(t)
	w.sessions("bob-1", "bob-2", "alice-1", "bob-3")
	for _, tt := range []struct {
		who   string
		query manage.SessionQuery
		want  string
		kind  identity.ErrorKind
	}{
		{"eve", manage.SessionQuery{}, "alice-1 bob-1 bob-2 bob-3", 0},
		{"eve", manage.SessionQuery{Limit: 2}, "alice-1 bob-1 bob-2 bob-3", 0},
		{"eve", manage.SessionQuery{Limit: 1, Person: "corp/bob"}, "bob-1 bob-2 bob-3", 0},
		{"eve", manage.SessionQuery{Service: "other"}, "", 0},
		{"bob", manage.SessionQuery{}, "bob-1 bob-2 bob-3", 0},
		{"bob", manage.SessionQuery{Limit: 2}, "bob-1 bob-2 bob-3", 0},
		{"bob", manage.SessionQuery{Person: "corp/bob"}, "bob-1 bob-2 bob-3", 0},
		{"bob", manage.SessionQuery{Person: "corp/alice"}, "", identity.Forbidden},
		{"carol", manage.SessionQuery{}, "", 0},
		{"eve", manage.SessionQuery{Person: "bob"}, "", identity.Invalid},
		{"eve", manage.SessionQuery{Cursor: "x"}, "", identity.Invalid},
	} {
		got, err := w.listed(w.actor(tt.who), tt.query)
		if got != tt.want || err != nil && kindOf(err) != tt.kind || (err == nil) != (tt.kind == 0) {
			t.Errorf("%s %+v: %q, %v", tt.who, tt.query, got, err)
		}
	}
	// A cursor of somebody else's list does not widen one's own.
	page, err := w.ListSessions(t.Context(), w.actor("eve"), manage.SessionQuery{Limit: 1})
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	if got, err := w.listed(w.actor("alice"), manage.SessionQuery{Cursor: page.Next}); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEndSessions(t *testing.T) {
	w := newWorld(t)
	w.sessions("bob-1", "bob-2", "alice-1")
	end := func(who string, act manage.Act, ids ...string) manage.Ended {
		t.Helper()
		got, err := w.EndSessions(t.Context(), w.actor(who), ids, act)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := end("bob", manage.Act{}, "alice-1"); len(got.Ended) != 0 || len(got.Unknown) != 1 {
		t.Errorf("bob ends alice's: %+v", got)
	}
	if _, err := w.EndSessions(t.Context(), w.actor("eve"), []string{"alice-1"}, manage.Act{}); kindOf(err) != identity.Forbidden {
		t.Errorf("an auditor ends one: %v", err)
	}
	end("bob", manage.Act{DryRun: true}, "bob-1")
	if got, _ := w.listed(w.actor("eve"), manage.SessionQuery{}); got != "alice-1 bob-1 bob-2" {
		t.Errorf("something was ended: %s", got)
	}
	end("bob", manage.Act{}, "bob-1")
	if got := end("root", manage.Act{Reason: "lost"}, "alice-1", "nobody's", "bob-1"); len(got.Ended) != 2 || len(got.Unknown) != 1 {
		t.Errorf("%+v", got)
	}
	want := []string{"session_revoked failure corp/eve alice-1", "session_revoked success corp/bob bob-1", "session_revoked success corp/root alice-1"}
	if diff := cmp.Diff(want, w.took()); diff != "" {
		t.Error(diff)
	}
}

func TestEndPerson(t *testing.T) {
	w := newWorld(t)
	w.sessions("bob-1", "bob-2", "alice-1")
	for _, who := range []string{"eve", "bob"} {
		if _, err := w.EndPerson(t.Context(), w.actor(who), "corp/alice", manage.Act{}); kindOf(err) != identity.Forbidden {
			t.Errorf("%s: %v", who, err)
		}
	}
	before := w.changes()
	if got, err := w.EndPerson(t.Context(), w.actor("root"), "corp/bob", manage.Act{DryRun: true}); err != nil || len(got.Ended) != 2 || w.changes() != before {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := w.EndPerson(t.Context(), w.actor("bob"), "corp/Bob", manage.Act{}); err != nil || len(got.Ended) != 2 || w.changes() != before+1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, who := range []string{"anonymous", "bob", ""} {
		if _, err := w.EndPerson(t.Context(), w.actor("root"), who, manage.Act{}); kindOf(err) != identity.Invalid {
			t.Errorf("%q: %v", who, err)
		}
	}
}

func TestPeopleAndKeys(t *testing.T) {
	w := newWorld(t)
	root, eve := w.actor("root"), w.actor("eve")
	acts := map[string]func(manage.Actor, manage.Act) error{
		"forget": func(a manage.Actor, act manage.Act) error { return w.ForgetPerson(t.Context(), a, "corp/alice", act) },
		"revoke": func(a manage.Actor, act manage.Act) error { return w.RevokeToken(t.Context(), a, "some-jti", act) },
		"rotate": func(a manage.Actor, act manage.Act) error {
			_, err := w.RotateKeys(t.Context(), a, true, act)
			return err
		},
	}
	for name, do := range acts {
		before := w.changes()
		for _, who := range []manage.Actor{eve, w.actor("bob"), w.actor("lead", "leads")} {
			if err := do(who, manage.Act{}); kindOf(err) != identity.Forbidden {
				t.Errorf("%s by %s: %v", name, who.Name, err)
			}
		}
		if err := do(root, manage.Act{DryRun: true}); err != nil || w.changes() != before || w.keys.rolled != nil {
			t.Errorf("dry run of %s: %v", name, err)
		}
		w.took()
		err := do(root, manage.Act{Reason: "why"})
		if events := w.took(); err != nil || len(events) == 0 || w.changes() == before && w.keys.rolled == nil {
			t.Errorf("%s: %v, %v", name, err, events)
		}
		w.keys.rolled = nil
	}
	for _, name := range []string{"", " alice", "crop/alice", "corp/", "a\nb", strings.Repeat("x", 5000)} {
		if err := w.ForgetPerson(t.Context(), root, name, manage.Act{}); kindOf(err) != identity.Invalid {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	if list, err := w.ListKeys(t.Context(), eve); err != nil || len(list) != 3 || list[2].Until == nil || list[1].Until != nil {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := w.ListKeys(t.Context(), w.actor("bob")); kindOf(err) != identity.Forbidden {
		t.Error(err)
	}
	if _, err := w.ListConnectors(w.actor("bob")); kindOf(err) != identity.Forbidden {
		t.Error(err)
	}
	if _, err := w.ListRegistries(w.actor("bob")); kindOf(err) != identity.Forbidden {
		t.Error(err)
	}
	if _, err := w.TestLogin(t.Context(), w.actor("bob"), "alice"); kindOf(err) != identity.Forbidden {
		t.Error(err)
	}
}
