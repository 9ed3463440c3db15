package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
	"drawbridge/tokens/sessions"

	"github.com/google/go-cmp/cmp"
)

func TestASessionGoesOn(t *testing.T) {
	w := newWorld(t)
	token, id := w.begin(t)
	today := alice()
	today.Name, today.Groups, today.Method = "alice.b", []string{"ops"}, identity.MethodNone // renamed, moved
	w.answer = func(was identity.Identity, version string) connectors.Verdict {
		if was.StableID != "17" || version != "v1" {
			t.Errorf("asked for %+v with version %q", was, version)
		}
		return connectors.Verdict{Outcome: connectors.Granted(today), Connector: "corp"}
	}
	for range 3 {
		c := w.good(t, "a token in use", token)
		if c.Token != token {
			t.Error("docker would get another token than it has")
		}
		want := today
		want.Method = identity.MethodPassword
		if diff := cmp.Diff(want, c.Session.Person); diff != "" || c.Session.ID != id || c.Remembered || c.OtherClient {
			t.Errorf("%+v %s", c, diff)
		}
		w.pass(time.Hour)
	}
	// refresh_ttl counts from the login, however much the session is used.
	w.pass(ttl - 3*time.Hour - time.Millisecond)
	w.good(t, "at the end", token)
	w.pass(time.Millisecond)
	_, err := w.show(t, token)
	refused(t, "after the end", err, sessions.Expired, false)
}

func TestWhatIsStored(t *testing.T) {
	w := newWorld(t)
	token, id := w.begin(t, func(s *sessions.Start) {
		s.UserAgent, s.ClientID = strings.Repeat("ü", 4000), strings.Repeat("c", 1000)
		s.Person.Groups = nil
		for i := range 5000 {
			s.Person.Groups = append(s.Person.Groups, fmt.Sprint("group ", i))
		}
	})
	s := w.stored(t, id)
	if len(s.UserAgent) > 256 || len(s.ClientID) > 128 || len(s.Person.Groups) > 200 || !s.ExpiresAt.Equal(w.now.Add(ttl)) {
		t.Errorf("stored %+v", s)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{token.Reveal(), string(s.Token.Session), "v1"} {
		if strings.Contains(string(text)+fmt.Sprintf("%+v", token)+w.log.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v", s), token.Reveal()[5:48]) {
		t.Error("the store has the token")
	}
}

// What an attacker may try with tokens of all kinds. None of it ends somebody's
// session.
func TestTokensThatAreNotHonoured(t *testing.T) {
	w := newWorld(t)
	token, _ := w.begin(t)
	bobs, _ := w.begin(t, func(s *sessions.Start) { s.Person.Name = "bob"; s.Service = "another" })
	rotates, _ := w.begin(t, rotating)
	guessed, err := newWorld(t).Draft(sessions.Start{Person: alice(), Service: service})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := newWorld(t).Keep(t.Context(), guessed) // well-formed, and another server's
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		shown  sessions.Shown
		reason sessions.Reason
	}{
		{"another registry", sessions.Shown{Token: token, Service: "another", ClientID: docker}, sessions.OtherService},
		{"no registry", sessions.Shown{Token: token, ClientID: docker}, sessions.OtherService},
		{"another registry's token", shown(bobs), sessions.OtherService},
		{"another client, rotating", sessions.Shown{Token: rotates, Service: service, ClientID: "crane"}, sessions.OtherClient},
		{"no client, rotating", sessions.Shown{Token: rotates, Service: service}, sessions.OtherClient},
		{"guessed", shown(elsewhere), sessions.UnknownToken},
		{"empty", shown(identity.Secret{}), sessions.UnknownToken},
		{"a password", shown(identity.NewSecret("hunter2")), sessions.UnknownToken},
		{"the hash that the store has", shown(identity.NewSecret(string(w.stored(t, w.good(t, "x", token).Session.ID).Token.Session))), sessions.UnknownToken},
	} {
		_, err := w.Refresh(t.Context(), tt.shown)
		refused(t, tt.name, err, tt.reason, false)
		if strings.Contains(fmt.Sprint(err), tt.shown.Token.Reveal()) && !tt.shown.Token.Empty() {
			t.Errorf("%s: the token is in %v", tt.name, err)
		}
	}
	asked := w.asked
	if _, err := w.Refresh(t.Context(), sessions.Shown{Token: token, Service: "another"}); err == nil || w.asked != asked {
		t.Error("the directory is asked for a token that is not good here")
	}
	w.good(t, "the session itself", token)
	w.good(t, "the rotating session itself", rotates)
}

// docker, podman, crane and others share one config.json.
func TestAnyClientMayUseASharedToken(t *testing.T) {
	w := newWorld(t)
	token, _ := w.begin(t)
	c, err := w.Refresh(t.Context(), sessions.Shown{Token: token, Service: service, ClientID: "go-containerregistry"})
	if err != nil || !c.OtherClient {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestWhatTheConnectorSays(t *testing.T) {
	for _, tt := range []struct {
		outcome connectors.Outcome
		reason  sessions.Reason
		ended   bool
	}{
		{connectors.NotMine(), sessions.PersonGone, true},
		{connectors.Denied(connectors.AccountDisabled), "account_disabled", true},
		{connectors.Denied(connectors.AccountExpired), "account_expired", true},
		{connectors.Denied(connectors.PasswordChanged), "password_changed", true},
		// These may be over again, and anybody can bring about the first.
		{connectors.Denied(connectors.AccountLocked), "account_locked", false},
		{connectors.Denied(connectors.MustChange), "password_must_change", false},
		{connectors.Denied(connectors.PasswordExpired), "password_expired", false},
		{connectors.Denied(connectors.Ambiguous), "ambiguous_user", false},
		{connectors.Denied(connectors.CannotRecheck), "cannot_recheck", false},
	} {
		w := newWorld(t)
		token, id := w.begin(t)
		w.answers(tt.outcome)
		_, err := w.show(t, token)
		refused(t, string(tt.reason), err, tt.reason, tt.ended)
		s := w.stored(t, id)
		if s.RevokedAt.IsZero() == tt.ended || tt.ended && s.RevokedReason != string(tt.reason) {
			t.Errorf("%s: stored as %q at %s", tt.reason, s.RevokedReason, s.RevokedAt)
		}
		w.answers(connectors.Granted(alice()))
		_, err = w.show(t, token)
		if tt.ended {
			refused(t, "and then "+string(tt.reason), err, sessions.Revoked, false)
		} else if err != nil {
			t.Errorf("%s is over, and the session with it: %v", tt.reason, err)
		}
		changes, _, err := w.store.ChangesSince(t.Context(), 0, 10)
		if err != nil || (len(changes) == 1) != tt.ended || !cmp.Equal(changes, w.told) {
			t.Errorf("%s: announced %v and %v, %v", tt.reason, changes, w.told, err)
		}
	}
}

// An outage ends nothing: the same token works when it is over.
func TestAnOutageKeepsTheSession(t *testing.T) {
	for _, outcome := range []connectors.Outcome{
		connectors.Unavailable(errors.New("down")), connectors.Misconfigured(errors.New("bad")), {},
	} {
		for _, start := range [][]func(*sessions.Start){nil, {rotating}} {
			w := newWorld(t)
			token, id := w.begin(t, start...)
			w.answers(outcome)
			_, err := w.show(t, token)
			var o *sessions.Outage
			if !errors.As(err, &o) || o.Verdict.Kind() != outcome.Kind() || o.Session.ID != id {
				t.Errorf("%s: %+v, %v", outcome, o, err)
			}
			w.answers(connectors.Granted(alice()))
			w.good(t, "the same token later", token)
		}
	}
}

func TestRotation(t *testing.T) {
	w := newWorld(t)
	first, id := w.begin(t, rotating)
	second := w.good(t, "the first", first).Token
	if second == first {
		t.Fatal("nothing rotates")
	}
	third := w.good(t, "the second", second).Token
	w.pass(time.Hour)
	fourth := w.good(t, "the third, later", third).Token
	_, err := w.show(t, second)
	refused(t, "one that was replaced long ago", err, sessions.Reused, true)
	_, err = w.show(t, fourth)
	refused(t, "the newest, in whoever's hands", err, sessions.Revoked, false)
	if s := w.stored(t, id); s.RevokedReason != string(sessions.Reused) {
		t.Errorf("%+v", s)
	}
}

// The client did not read the answer, and asks again with what it has.
func TestALostAnswer(t *testing.T) {
	w := newWorld(t)
	first, _ := w.begin(t, rotating)
	lost := w.good(t, "the first", first).Token
	w.pass(sessions.LostAnswer / 2)
	again := w.good(t, "the first again", first).Token
	if again == lost || again == first {
		t.Error("the token of a lost answer was handed out again")
	}
	w.pass(sessions.LostAnswer/2 - time.Millisecond)
	again = w.good(t, "the first once more", first).Token
	w.pass(time.Millisecond)
	if _, err := w.show(t, first); err == nil {
		t.Error("the time for a lost answer begins anew with each")
	} else {
		refused(t, "the first, too late", err, sessions.Reused, true)
	}
	_, err := w.show(t, again)
	refused(t, "the last one", err, sessions.Revoked, false)
}

// Two have the same token: whoever got the answer that was taken for lost shows it,
// and nobody goes on.
func TestAStolenTokenIsNoLostAnswer(t *testing.T) {
	w := newWorld(t)
	first, _ := w.begin(t, rotating)
	thiefs := w.good(t, "the thief is first", first).Token
	owners := w.good(t, "the owner, a moment later", first).Token
	_, err := w.show(t, thiefs)
	refused(t, "the thief's next", err, sessions.Reused, true)
	_, err = w.show(t, owners)
	refused(t, "the owner has to log in again", err, sessions.Revoked, false)

	// Or the owner used the successor first.
	w = newWorld(t)
	first, _ = w.begin(t, rotating)
	second := w.good(t, "first", first).Token
	w.good(t, "second", second)
	_, err = w.show(t, first)
	refused(t, "the thief with the first, at once", err, sessions.Reused, true)
}

// Whoever knows a session, but not the secret of a generation.
func TestAForgedGeneration(t *testing.T) {
	w := newWorld(t)
	token, _ := w.begin(t, rotating)
	other, _ := w.begin(t, rotating)
	plain, _ := w.begin(t)
	cut := func(s identity.Secret, from, to int) string { return s.Reveal()[len(sessions.Prefix):][from:to] }
	forge := func(secrets string) identity.Secret { return sessions.Sum(secrets) }
	_, err := w.show(t, forge(cut(token, 0, 43)))
	refused(t, "the session without a generation", err, sessions.UnknownToken, false)
	_, err = w.show(t, forge(cut(plain, 0, 43)+cut(other, 43, 86)))
	refused(t, "a generation where none is", err, sessions.UnknownToken, false)
	w.good(t, "the plain one itself", plain)
	_, err = w.show(t, forge(cut(token, 0, 43)+cut(other, 43, 86)))
	refused(t, "another session's generation", err, sessions.Reused, true)
}

// One token, shown by many requests at once: each of a shared session is answered
// for one question to the directory; of a rotating one nobody is taken for a thief.
func TestAtOnce(t *testing.T) {
	for name, start := range map[string][]func(*sessions.Start){"shared": nil, "rotating": {rotating}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token, id := w.begin(t, start...)
			release := make(chan struct{})
			w.answer = func(identity.Identity, string) connectors.Verdict {
				<-release
				return connectors.Verdict{Outcome: connectors.Granted(alice())}
			}
			const callers = 8
			var wg, asked sync.WaitGroup
			asked.Add(callers)
			errs := make([]error, callers)
			for i := range callers {
				wg.Go(func() {
					asked.Done()
					_, errs[i] = w.Refresh(context.Background(), shown(token))
				})
			}
			asked.Wait()
			close(release)
			wg.Wait()
			for _, err := range errs {
				var r *sessions.Refusal
				if errors.As(err, &r) || err != nil && name == "shared" {
					t.Error(err)
				}
			}
			if s := w.stored(t, id); !s.RevokedAt.IsZero() {
				t.Errorf("ended: %s", s.RevokedReason)
			}
		})
	}
}

// A session that was announced as revoked is refused although its row says nothing,
// as when it began while its person was being revoked; and it says so from then on.
func TestAnnouncedRevocations(t *testing.T) {
	w := newWorld(t)
	token, id := w.begin(t)
	w.revoked = func(c tokens.Claims) error {
		if c.Session != id || c.Subject != "corp/alice" || !c.AuthTime.Equal(w.now) {
			t.Errorf("asked for %+v", c)
		}
		return fmt.Errorf("wrapped: %w", &revocation.RevokedError{Kind: feed.RevokePerson})
	}
	_, err := w.show(t, token)
	refused(t, "revoked", err, sessions.Revoked, true)
	w.revoked = func(tokens.Claims) error { return nil }
	_, err = w.show(t, token)
	refused(t, "and the announcement is forgotten", err, sessions.Revoked, false)
	if s := w.stored(t, id); s.RevokedAt.IsZero() {
		t.Error("it is not written down")
	}
	// That the announcements are not known now does not count against the store.
	w.revoked = func(tokens.Claims) error { return revocation.ErrUnknown }
	token, _ = w.begin(t)
	w.good(t, "the store knows", token)
}

// Whoever has a token may ask what it is good for, and end its session.
func TestTheBearerEndsTheSession(t *testing.T) {
	w := newWorld(t)
	token, id := w.begin(t)
	first, _ := w.begin(t, rotating)
	second := w.good(t, "first", first).Token
	for name, shown := range map[string]identity.Secret{"no token": identity.NewSecret("x"), "guessed": sessions.Sum(strings.Repeat("a", 43)), "replaced": first} {
		if s, found, err := w.ByToken(t.Context(), shown); found || err != nil || s.ID != "" {
			t.Errorf("%s: %+v, %v, %v", name, s, found, err)
		}
	}
	if _, found, err := w.ByToken(t.Context(), second); !found || err != nil {
		t.Errorf("rotating: %v, %v", found, err)
	}
	s, found, err := w.ByToken(t.Context(), token)
	if !found || err != nil || s.ID != id {
		t.Fatalf("%+v, %v, %v", s, found, err)
	}
	for range 2 {
		if err := w.End(t.Context(), id, "corp/alice", "docker logout"); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.told) != 1 || w.stored(t, id).RevokedBy != "corp/alice" {
		t.Errorf("announced %v", w.told)
	}
	if _, found, err := w.ByToken(t.Context(), token); found || err != nil {
		t.Errorf("after its end: %v, %v", found, err)
	}
	w.revoked = func(tokens.Claims) error { return &revocation.RevokedError{Kind: feed.RevokePerson} }
	if _, found, err := w.ByToken(t.Context(), second); found || err != nil {
		t.Errorf("the person is revoked: %v, %v", found, err)
	}
	w.store.down(errDown)
	if _, _, err := w.ByToken(t.Context(), second); !errors.Is(err, errDown) {
		t.Errorf("the store is down: %v", err)
	}
	if err := w.End(t.Context(), id, "corp/alice", "x"); !errors.Is(err, errDown) {
		t.Errorf("the store is down: %v", err)
	}
}

func TestTooManySessions(t *testing.T) {
	w := newWorld(t)
	used, _ := w.begin(t)
	for range sessions.MostPerPerson - 1 {
		w.begin(t)
	}
	w.pass(time.Hour)
	w.good(t, "the first", used)
	w.written(t)
	w.begin(t)
	w.good(t, "one in use", used)
	if n, err := w.store.CountSessions(t.Context(), w.now); err != nil || n != sessions.MostPerPerson {
		t.Errorf("%d sessions, %v", n, err)
	}
	if !strings.Contains(w.log.String(), "too many sessions") {
		t.Error("nobody is told")
	}
}

// An administrator ends what the person has, while the server runs.
func TestEndedByAnAdministrator(t *testing.T) {
	w := newWorld(t)
	one, id := w.begin(t)
	two, _ := w.begin(t)
	end := sessions.End{At: w.now, Reason: "lost laptop", By: "cli:root"}
	if _, err := w.store.EndSession(t.Context(), id, end); err != nil {
		t.Fatal(err)
	}
	_, err := w.show(t, one)
	refused(t, "the one that was ended", err, sessions.Revoked, false)
	w.good(t, "the other one", two)
	if _, _, err := w.store.EndSessionsOf(t.Context(), "corp/alice", end); err != nil {
		t.Fatal(err)
	}
	_, err = w.show(t, two)
	refused(t, "all of alice", err, sessions.Revoked, false)
	w.pass(time.Second)
	three, _ := w.begin(t)
	w.good(t, "a login after that", three)
}

var _ sessions.Store = (*store.Store)(nil)
