package sessions_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"drawbridge/connectors"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
	"drawbridge/tokens/sessions"
)

// The store is down: who was there a while ago goes on, as long as it is known what
// was revoked meanwhile.
func TestStoreDown(t *testing.T) {
	w := newWorld(t)
	token, _ := w.begin(t)
	w.store.down(errDown)
	if c := w.good(t, "a session that is remembered", token); !c.Remembered || c.Session.Person.String() != "corp/alice" || c.Token != token {
		t.Errorf("%+v", c)
	}
	if w.asked != 1 {
		t.Errorf("the directory was asked %d times", w.asked)
	}

	// What the remembered session says is checked as that of the store is.
	_, err := w.Refresh(t.Context(), sessions.Shown{Token: token, Service: "another"})
	refused(t, "another registry", err, sessions.OtherService, false)
	w.answers(connectors.Unavailable(errors.New("down")))
	_, err = w.show(t, token)
	outage(t, "the directory is down as well", err)
	w.answers(connectors.Granted(alice()))

	w.revoked = func(tokens.Claims) error { return revocation.ErrUnknown }
	_, err = w.show(t, token)
	outage(t, "nobody knows what was revoked", err)
	w.revoked = func(tokens.Claims) error { return &revocation.RevokedError{Kind: feed.RevokeSession} }
	_, err = w.show(t, token)
	refused(t, "revoked meanwhile", err, sessions.Revoked, false)
	w.revoked = func(tokens.Claims) error { return nil }
	_, err = w.show(t, token)
	outage(t, "what was refused is not remembered any more", err)

	w.store.down(nil)
	w.good(t, "when the store is back", token)
}

func TestStoreDownForTooLong(t *testing.T) {
	w := newWorld(t)
	token, _ := w.begin(t)
	w.pass(10 * time.Minute)
	w.good(t, "the store confirms it", token)
	w.written(t)
	w.store.down(errDown)
	w.pass(sessions.RememberFor - time.Second)
	w.good(t, "15 minutes after that", token)
	w.written(t) // a use that the cache vouched for prolongs nothing
	w.pass(2 * time.Second)
	_, err := w.show(t, token)
	outage(t, "and then", err)
}

func TestStoreDownRefuses(t *testing.T) {
	w := newWorld(t)
	rotates, _ := w.begin(t, rotating)
	w.store.down(errDown)
	_, err := w.show(t, rotates)
	outage(t, "rotating", err)
	_, err = w.show(t, sessions.Sum(strings.Repeat("a", 43)))
	outage(t, "a token that nobody can tell of", err)
	draft, err := w.Draft(sessions.Start{Person: alice(), Service: service})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := w.Keep(t.Context(), draft); err == nil || !token.Empty() {
		t.Errorf("a session that is not stored has a token: %v", err)
	}
	// Without revocations or a cache nothing is remembered.
	for _, change := range []func(*sessions.Options){
		func(o *sessions.Options) { o.Revocations = nil },
		func(o *sessions.Options) { o.Cache = nil },
	} {
		w := newWorld(t, change)
		token, _ := w.begin(t)
		w.store.down(errDown)
		_, err := w.show(t, token)
		outage(t, "nothing to go by", err)
	}
}

// A person who is gone is refused while the store cannot write it down, and also
// when the connector has no answer after that.
func TestGoneWhileTheStoreIsDown(t *testing.T) {
	w := newWorld(t)
	token, id := w.begin(t)
	w.store.down(errDown)
	w.answers(connectors.NotMine())
	_, err := w.show(t, token)
	refused(t, "gone", err, sessions.PersonGone, false)
	if !strings.Contains(w.log.String(), "could not be ended") {
		t.Error("nobody is told")
	}
	w.store.down(nil)
	_, err = w.show(t, token)
	refused(t, "gone, when the store is back", err, sessions.PersonGone, true)
	if w.stored(t, id).RevokedAt.IsZero() {
		t.Error("it is not written down")
	}
}

// A store that hangs is given up on for this request.
func TestStoreHangs(t *testing.T) {
	w := newWorld(t)
	token, _ := w.begin(t)
	w.store.mu.Lock()
	w.store.hang = make(chan struct{})
	w.store.mu.Unlock()
	if c := w.good(t, "a store that hangs", token); !c.Remembered {
		t.Errorf("%+v", c)
	}
}

func TestUsesAreRecordedOnceAMinute(t *testing.T) {
	w := newWorld(t)
	token, id := w.begin(t)
	began := w.now
	renamed := alice()
	renamed.Name = "alice.b"
	w.answers(connectors.Granted(renamed))
	w.pass(59 * time.Second)
	w.good(t, "soon", token)
	w.written(t)
	if s := w.stored(t, id); !s.LastUsedAt.Equal(began) {
		t.Errorf("written after 59 seconds: %s", s.LastUsedAt)
	}
	w.pass(time.Second)
	w.good(t, "after a minute", token)
	w.written(t)
	s := w.stored(t, id)
	if !s.LastUsedAt.Equal(w.now) || s.LastAddress != "192.0.2.2" || s.LastClientID != docker || s.Address != "192.0.2.1" || s.Person.Name != "alice.b" {
		t.Errorf("%+v", s)
	}
	w.Count(t.Context())
	families, err := w.reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "drawbridge_sessions_live" || families[0].Metric[0].GetGauge().GetValue() != 1 {
		t.Errorf("metrics: %v, %v", families, err)
	}
}

// Neither a login nor a refresh waits for the store to write down a use.
func TestWritingUsesDelaysNobody(t *testing.T) {
	w := newWorld(t)
	token, _ := w.begin(t)
	w.pass(time.Hour)
	for range 3 {
		w.good(t, "without the background work", token)
		w.pass(time.Hour)
	}
}

func TestRunForgetsWhatIsOver(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.begin(t)
	}
	w.pass(ttl)
	w.begin(t)
	w.Prune(t.Context())
	list, err := w.store.ListSessions(t.Context(), sessions.Filter{Ended: true})
	if err != nil || len(list) != 1 {
		t.Errorf("%d sessions are left, %v", len(list), err)
	}
}
