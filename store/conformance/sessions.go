package conformance

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens/sessions"

	"github.com/google/go-cmp/cmp"
)

// sessionTests are the tests of sessions.go.
func sessionTests() map[string]func(t *testing.T, open Open) {
	return map[string]func(t *testing.T, open Open){
		"sessions come back as they were stored":  testSessionsComeBack,
		"sessions have one owner of a token":      testSessionsUnique,
		"sessions of one person are bounded":      testSessionsBounded,
		"sessions rotate once for each token":     testSessionsRotate,
		"sessions remember their last use":        testSessionsUsed,
		"sessions end once and say so":            testSessionsEnd,
		"sessions of a person end together":       testSessionsEndTogether,
		"sessions are listed by person and state": testSessionsList,
		"sessions are forgotten when they expire": testSessionsPrune,
	}
}

// session returns one of corp/alice that uses every field.
func session(id string) sessions.Session {
	return sessions.Session{
		ID: id,
		Person: identity.Identity{
			Kind: identity.User, Connector: "corp", Name: "alice", StableID: "0102", Mail: "a@corp.example",
			Groups: []string{"dev", "größe 💻"}, Method: identity.MethodPassword,
		},
		Service: "Docker registry", ClientID: "docker", Method: identity.MethodPassword, Rotating: true,
		CreatedAt: At(), LastUsedAt: At(), ExpiresAt: At().Add(time.Hour),
		Address: "192.0.2.1", UserAgent: "docker/28", LastAddress: "192.0.2.2", LastClientID: "crane",
		CredentialVersion: "v1",
		Token: sessions.TokenState{
			Session: sessions.Hash("hash of " + id), Current: "c1", Previous: "c0", RotatedAt: At(),
		},
	}
}

func create(t *testing.T, s *store.Store, list ...sessions.Session) {
	t.Helper()
	for _, one := range list {
		if forgotten, err := s.CreateSession(t.Context(), one, 100); err != nil || len(forgotten) != 0 {
			t.Fatalf("forgotten %v, %v", forgotten, err)
		}
	}
}

// byToken returns the session as another replica sees it.
func byToken(t *testing.T, s *store.Store, id string) sessions.Session {
	t.Helper()
	got, ok, err := s.SessionByToken(t.Context(), sessions.Hash("hash of "+id))
	if err != nil || !ok {
		t.Fatalf("session %s: found %v, %v", id, ok, err)
	}
	return got
}

func testSessionsComeBack(t *testing.T, open Open) {
	want := session("a")
	create(t, open(t), want)
	if diff := cmp.Diff(want, byToken(t, open(t), "a")); diff != "" {
		t.Error(diff)
	}
	for _, hash := range []sessions.Hash{"", "hash of b", "c1", "HASH OF A"} {
		if got, ok, err := open(t).SessionByToken(t.Context(), hash); ok || err != nil || got.ID != "" {
			t.Errorf("hash %q: %+v, %v, %v", hash, got, ok, err)
		}
	}
}

func testSessionsUnique(t *testing.T, open Open) {
	s := open(t)
	create(t, s, session("a"))
	sameID, sameToken := session("a"), session("b")
	sameID.Token.Session, sameToken.Token.Session = "another", "hash of a"
	for _, one := range []sessions.Session{sameID, sameToken} {
		if _, err := s.CreateSession(t.Context(), one, 100); err == nil {
			t.Errorf("%+v was stored beside another", one)
		}
	}
}

func testSessionsBounded(t *testing.T, open Open) {
	s, most := open(t), 3
	at := func(id string, minutes int, change func(*sessions.Session)) {
		one := session(id)
		one.LastUsedAt = one.LastUsedAt.Add(time.Duration(minutes) * time.Minute)
		if change != nil {
			change(&one)
		}
		create(t, s, one)
	}
	at("elsewhere", -60, func(o *sessions.Session) { o.Service = "another" })
	at("bob's", -60, func(o *sessions.Session) { o.Person.Name = "bob" })
	at("revoked", -60, func(o *sessions.Session) { o.RevokedAt = At() })
	at("over", -60, func(o *sessions.Session) { o.ExpiresAt = At().Add(-time.Minute) })
	at("unused", -30, nil)
	at("in use", -1, nil)
	at("idle", -20, nil)
	for i, want := range []string{"unused", "idle", "in use"} {
		one := session("new " + strconv.Itoa(i))
		one.LastUsedAt = At().Add(time.Duration(i) * time.Second)
		forgotten, err := s.CreateSession(t.Context(), one, most)
		if err != nil || !slices.Equal(forgotten, []string{want}) {
			t.Fatalf("forgotten %v, %v; want %s", forgotten, err, want)
		}
		if _, ok, err := s.SessionByToken(t.Context(), sessions.Hash("hash of "+want)); ok || err != nil {
			t.Errorf("%s is still there: %v", want, err)
		}
	}
	if n, err := s.CountSessions(t.Context(), At()); err != nil || n != 5 {
		t.Errorf("%d live sessions, %v", n, err)
	}
}

// testSessionsRotate shows one token at several replicas at once: one wins.
func testSessionsRotate(t *testing.T, open Open) {
	stores := []*store.Store{open(t), open(t)}
	create(t, stores[0], session("a"))
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			to := sessions.TokenState{Current: sessions.Hash("n" + strconv.Itoa(i)), Previous: "c1", RotatedAt: At()}
			ok, err := stores[i%2].RotateSession(t.Context(), "a", "c1", to)
			if err != nil {
				t.Errorf("rotate: %v", err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d rotations of one token", won.Load())
	}
	got := byToken(t, stores[0], "a")
	if got.Token.Previous != "c1" || !strings.HasPrefix(string(got.Token.Current), "n") || got.Token.Session != "hash of a" {
		t.Errorf("got %+v", got.Token)
	}
	if _, err := stores[0].EndSession(t.Context(), "a", sessions.End{At: At(), Reason: "token_reused"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "nobody's"} {
		if ok, err := stores[0].RotateSession(t.Context(), id, got.Token.Current, sessions.TokenState{Current: "x"}); ok || err != nil {
			t.Errorf("rotating %s: %v, %v", id, ok, err)
		}
	}
}

func testSessionsUsed(t *testing.T, open Open) {
	s := open(t)
	create(t, s, session("a"), session("b"))
	renamed := session("a").Person
	renamed.Name = "alice.b"
	use := sessions.Use{ID: "a", At: At().Add(time.Minute), Address: "198.51.100.7", ClientID: "skopeo", Person: renamed}
	older := use
	older.At, older.Address = At().Add(30*time.Second), "too late"
	gone := use
	gone.ID = "nobody's"
	if err := s.RecordUses(t.Context(), gone, use, older); err != nil {
		t.Fatal(err)
	}
	want := session("a")
	got := byToken(t, open(t), "a")
	want.CreatedAt, want.ExpiresAt, want.Token.RotatedAt = got.CreatedAt, got.ExpiresAt, got.Token.RotatedAt
	want.LastUsedAt, want.LastAddress, want.LastClientID, want.Person = use.At, use.Address, use.ClientID, renamed
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if list, err := s.ListSessions(t.Context(), sessions.Filter{Subject: "corp/alice.b"}); err != nil || len(list) != 1 {
		t.Errorf("under the new name: %v, %v", list, err)
	}
	if err := s.RecordUses(t.Context()); err != nil {
		t.Errorf("no uses: %v", err)
	}
}

func testSessionsEnd(t *testing.T, open Open) {
	s := open(t)
	create(t, s, session("a"))
	end := sessions.End{At: At(), Reason: "lost laptop 💻", By: "cli:root"}
	announced, err := s.EndSession(t.Context(), "a", end)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.EndSession(t.Context(), "a", end); err != nil || len(again) != 0 {
		t.Errorf("announced again: %v, %v", again, err)
	}
	if _, err := s.EndSession(t.Context(), "nobody's", end); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a session that is not there: %v", err)
	}
	got := byToken(t, open(t), "a")
	if !got.RevokedAt.Equal(end.At) || got.RevokedReason != end.Reason || got.RevokedBy != end.By || got.Live(At()) {
		t.Errorf("got %+v", got)
	}
	changes, _, err := open(t).ChangesSince(t.Context(), 0, 10)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%v, %v", changes, err)
	}
	if changes[0].ExpiresAt.Before(end.At.Add(time.Hour)) {
		t.Errorf("announced until %s", changes[0].ExpiresAt)
	}
	want := feed.Change{Seq: 1, Kind: feed.RevokeSession, Value: "a", At: end.At, By: end.By, Reason: end.Reason, ExpiresAt: changes[0].ExpiresAt}
	for _, got := range [][]feed.Change{changes, announced} {
		if diff := cmp.Diff([]feed.Change{want}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func testSessionsEndTogether(t *testing.T, open Open) {
	s := open(t)
	end := sessions.End{At: At(), Reason: "left", By: "cli:root"}
	later, bobs, ended := session("later"), session("bob's"), session("ended")
	later.CreatedAt = end.At.Add(time.Second)
	bobs.Person.Name = "bob"
	ended.RevokedAt, ended.RevokedReason = end.At.Add(-time.Minute), "before"
	over := session("over")
	over.ExpiresAt = end.At
	create(t, s, session("a"), session("b"), later, bobs, ended, over)
	ids, _, err := s.EndSessionsOf(t.Context(), "CORP/Alice", end) // as somebody types it
	slices.Sort(ids)
	if err != nil || !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("ended %v, %v", ids, err)
	}
	for id, reason := range map[string]string{"a": "left", "b": "left", "later": "", "bob's": "", "ended": "before", "over": ""} {
		if got := byToken(t, s, id); got.RevokedReason != reason {
			t.Errorf("%s ended because %q, want %q", id, got.RevokedReason, reason)
		}
	}
	// Tokens of somebody without a session are to be refused as well.
	ids, announced, err := s.EndSessionsOf(t.Context(), "robot:ci", end)
	if err != nil || len(ids) != 0 || len(announced) != 1 {
		t.Errorf("ended %v, announced %v, %v", ids, announced, err)
	}
	changes, _, err := s.ChangesSince(t.Context(), 0, 10)
	if err != nil || len(changes) != 2 || changes[0].Kind != feed.RevokePerson || changes[0].Value != "CORP/Alice" || changes[1].Value != "robot:ci" {
		t.Errorf("announced %v, %v", changes, err)
	}
	if len(changes) > 0 && changes[0].ExpiresAt.Before(end.At.AddDate(1, 0, 0)) {
		t.Errorf("a session that is stored too late outlives the announcement: %s", changes[0].ExpiresAt)
	}
}

func testSessionsList(t *testing.T, open Open) {
	s := open(t)
	old, bobs, revoked, over := session("old"), session("bob's"), session("revoked"), session("over")
	old.CreatedAt = old.CreatedAt.Add(-time.Minute)
	bobs.Person.Name = "bob"
	revoked.RevokedAt, revoked.CreatedAt = At(), At().Add(-time.Hour)
	over.ExpiresAt, over.CreatedAt = At().Add(-time.Second), At().Add(-2*time.Hour)
	newest := session("new")
	create(t, s, over, bobs, revoked, old, newest)
	for _, tt := range []struct {
		filter sessions.Filter
		want   string
	}{
		{sessions.Filter{}, "new old bob's"},
		{sessions.Filter{Limit: 2}, "new old"},
		{sessions.Filter{Subject: "corp/alice"}, "new old"},
		{sessions.Filter{Subject: "corp/ALICE"}, "new old"},
		{sessions.Filter{Subject: "corp/alice", Ended: true}, "new old revoked over"},
		{sessions.Filter{Subject: "corp/alice", Ended: true, Limit: 3}, "new old revoked"},
		{sessions.Filter{Subject: "corp/%"}, ""},
		{sessions.Filter{Service: "elsewhere"}, ""},
		{sessions.Filter{Service: session("new").Service, Subject: "corp/bob"}, "bob's"},
		{sessions.Filter{After: newest.Place()}, "old bob's"},
		{sessions.Filter{After: old.Place()}, "bob's"},
		{sessions.Filter{After: bobs.Place()}, ""},
		{sessions.Filter{After: old.Place(), Subject: "corp/alice", Ended: true, Limit: 1}, "revoked"},
	} {
		list, err := s.ListSessions(t.Context(), tt.filter)
		var ids []string
		for _, one := range list {
			ids = append(ids, one.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != tt.want {
			t.Errorf("%+v: got %q, %v; want %q", tt.filter, got, err, tt.want)
		}
	}
}

func testSessionsPrune(t *testing.T, open Open) {
	s := open(t)
	over, revoked := session("over"), session("revoked")
	over.ExpiresAt = At().Add(-time.Second)
	revoked.RevokedAt = At()
	create(t, s, over, revoked, session("live"))
	for _, want := range []int64{1, 0} {
		if n, err := s.PruneSessions(t.Context(), At()); err != nil || n != want {
			t.Errorf("forgot %d, %v; want %d", n, err, want)
		}
	}
	if _, ok, err := s.SessionByToken(t.Context(), "hash of over"); ok || err != nil {
		t.Errorf("a session that was over is still there: %v", err)
	}
	byToken(t, s, "revoked")
	if n, err := s.CountSessions(t.Context(), At()); err != nil || n != 1 {
		t.Errorf("%d live sessions, %v", n, err)
	}
}
