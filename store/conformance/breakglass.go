package conformance

import (
	"testing"
	"time"

	"drawbridge/connectors/breakglass"
	"drawbridge/store"
	"drawbridge/store/feed"

	"github.com/google/go-cmp/cmp"
)

func breakGlassTests() map[string]func(t *testing.T, open Open) {
	return map[string]func(t *testing.T, open Open){
		"break-glass is armed and ended":     testBreakGlass,
		"break-glass is armed one at a time": testBreakGlassAgain,
	}
}

// arming is one for an hour.
func arming(id string, at time.Time) breakglass.Arming {
	return breakglass.Arming{
		ID: id, Hash: [32]byte{0, 1, 255}, ArmedAt: at, ExpiresAt: at.Add(time.Hour), By: "cli:root", Reason: "LDAP is down ü",
	}
}

func testBreakGlass(t *testing.T, open Open) {
	s, other := open(t), open(t)
	if _, ok, err := s.BreakGlass(t.Context()); ok || err != nil {
		t.Errorf("an empty store has one: %v, %v", ok, err)
	}
	if ended, announced, err := s.EndBreakGlass(t.Context(), At(), "cli:root"); ended.ID != "" || len(announced) != 0 || err != nil {
		t.Errorf("what was never armed is ended: %+v, %v, %v", ended, announced, err)
	}
	want := arming("one", At())
	announced, err := s.ArmBreakGlass(t.Context(), want)
	if err != nil || len(announced) != 1 || announced[0].Kind != feed.BreakGlassChanged || announced[0].Value != "one" {
		t.Fatalf("announced %+v, %v", announced, err)
	}
	wantArming(t, other, want)

	later := At().Add(time.Minute)
	endBreakGlass(t, other, want, later)
	want.EndedAt, want.EndedBy = later, "cli:eve"
	wantArming(t, s, want)

	// How it ended is not written over.
	if _, _, err := s.EndBreakGlass(t.Context(), later.Add(time.Minute), "cli:root"); err != nil {
		t.Error(err)
	}
	wantArming(t, s, want)
}

func wantArming(t *testing.T, s *store.Store, want breakglass.Arming) {
	t.Helper()
	got, ok, err := s.BreakGlass(t.Context())
	if diff := cmp.Diff(want, got); !ok || err != nil || diff != "" {
		t.Errorf("%v, %v, %s", ok, err, diff)
	}
}

// endBreakGlass ends what is in force, and wants it announced with everything that
// the account holds.
func endBreakGlass(t *testing.T, s *store.Store, want breakglass.Arming, at time.Time) {
	t.Helper()
	ended, announced, err := s.EndBreakGlass(t.Context(), at, "cli:eve")
	if diff := cmp.Diff(want, ended); err != nil || diff != "" {
		t.Errorf("ended: %v %s", err, diff)
	}
	var kinds []feed.Kind
	for _, c := range announced {
		kinds = append(kinds, c.Kind)
	}
	if diff := cmp.Diff([]feed.Kind{feed.BreakGlassChanged, feed.RevokePerson}, kinds); diff != "" {
		t.Errorf("announced: %s", diff)
	} else if announced[1].Value != breakglass.Identity().String() || !announced[1].At.Equal(at) {
		t.Errorf("what is revoked: %+v", announced[1])
	}
}

func testBreakGlassAgain(t *testing.T, open Open) {
	s := open(t)
	for _, id := range []string{"one", "two"} {
		if _, err := s.ArmBreakGlass(t.Context(), arming(id, At())); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, err := s.BreakGlass(t.Context()); err != nil || got.ID != "two" || !got.EndedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.ArmBreakGlass(t.Context(), arming("two", At())); err == nil {
		t.Error("two armings have one ID")
	}
	if got, _, err := s.BreakGlass(t.Context()); err != nil || got.ID != "two" || !got.EndedAt.IsZero() {
		t.Errorf("after a refused one: %+v, %v", got, err)
	}
}
