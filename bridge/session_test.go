package bridge_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/bridge"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens/sessions"

	"github.com/google/go-cmp/cmp"
)

func (w *world) Draft(start sessions.Start) (*sessions.Draft, error) {
	w.begun = append(w.begun, start)
	return sessions.New(sessions.Options{Rand: rand.Reader, TTL: time.Hour}).Draft(start)
}

func (w *world) Keep(_ context.Context, draft *sessions.Draft) (identity.Secret, error) {
	w.kept++
	if w.keepErr != nil {
		return identity.Secret{}, w.keepErr
	}
	return identity.NewSecret("REFRESH of " + draft.ID()), nil
}

func (w *world) Refresh(_ context.Context, shown sessions.Shown) (sessions.Continued, error) {
	w.shown = shown
	return w.goesOn, w.refused
}

// lasting is alice as a connector vouches for her that can re-check her.
func lasting() connectors.Verdict {
	v := alice()
	v.Outcome = v.WithVersion("v7")
	return v
}

func offline(service string, scopes ...string) bridge.Request {
	req := request(service, scopes...)
	req.Offline = true
	return req
}

func TestALoginThatLasts(t *testing.T) {
	w := &world{verdict: lasting()}
	req := offline("lasting")
	req.Rotating = true
	answer, err := newBridge(t, w).Token(t.Context(), req)
	if err != nil || w.kept != 1 || !w.fresh {
		t.Fatalf("%v, kept %d, fresh %v", err, w.kept, w.fresh)
	}
	id := w.minted[0].Session
	if id == "" || answer.RefreshToken.Reveal() != "REFRESH of "+id {
		t.Errorf("the token has sid %q, and the answer %q", id, answer.RefreshToken.Reveal())
	}
	who := lasting().Identity()
	who.Method = identity.MethodPassword
	want := sessions.Start{
		Person: who, Version: "v7", VerifiedAt: verifiedAt(), Service: "lasting", ClientID: "docker",
		Address: "192.0.2.1", UserAgent: "test", Rotating: true,
	}
	if diff := cmp.Diff([]sessions.Start{want}, w.begun); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]audit.Action{audit.Login, audit.SessionStarted, audit.TokenIssued}, actions(w.events)); diff != "" {
		t.Error(diff)
	}
	for _, e := range w.events[1:] {
		if e.SessionID != id || e.User != "corp/alice" {
			t.Errorf("event %+v", e)
		}
	}
}

// Who gets none: nothing is stored for them, and their tokens belong to no session.
func TestNoRefreshToken(t *testing.T) {
	change := func(f func(*connectors.Verdict)) connectors.Verdict {
		v := lasting()
		f(&v)
		return v
	}
	robot := identity.Identity{Kind: identity.Robot, Name: "ci"}
	for _, tt := range []struct {
		name    string
		req     bridge.Request
		verdict connectors.Verdict
	}{
		{"not asked for", request("lasting"), lasting()},
		{"the registry wants none", offline("plain"), lasting()},
		{"a connector that cannot re-check", offline("lasting"), alice()},
		{"by grace", offline("lasting"), change(func(v *connectors.Verdict) { v.Stale = true })},
		{"by a fallback", offline("lasting"), change(func(v *connectors.Verdict) { v.Skipped = []string{"ad"} })},
		{"a robot", offline("lasting"), change(func(v *connectors.Verdict) { v.Outcome = connectors.Granted(robot).WithVersion("v1") })},
	} {
		w := &world{verdict: tt.verdict}
		answer, err := newBridge(t, w).Token(t.Context(), tt.req)
		if err != nil || !answer.RefreshToken.Empty() || len(w.begun) != 0 || w.kept != 0 || w.minted[0].Session != "" {
			t.Errorf("%s: %+v, %v, %d drafts", tt.name, answer, err, len(w.begun))
		}
		if wanted := tt.req.Offline && tt.req.Service == "lasting"; w.fresh != wanted {
			t.Errorf("%s: verified afresh: %v", tt.name, w.fresh)
		}
	}
	w := &world{verdict: lasting()}
	nobody := offline("lasting")
	nobody.Credential = identity.Credential{}
	if answer, err := newBridge(t, w).Token(t.Context(), nobody); err != nil || !answer.RefreshToken.Empty() || len(w.begun) != 0 {
		t.Errorf("anonymous: %+v, %v", answer, err)
	}
	w.verdict = connectors.Verdict{Connector: "corp", Outcome: connectors.Denied(connectors.WrongPassword)}
	if _, err := newBridge(t, w).Token(t.Context(), offline("lasting")); err == nil || len(w.begun) != 0 {
		t.Errorf("refused: %v, %d drafts", err, len(w.begun))
	}
	w = &world{verdict: lasting(), mintErr: errors.New("no key")}
	if _, err := newBridge(t, w).Token(t.Context(), offline("lasting")); err == nil || w.kept != 0 {
		t.Errorf("a token that cannot be signed: %v, %d kept", err, w.kept)
	}
}

// A store that is down costs the refresh token and not the login.
func TestLoginWhileTheStoreIsDown(t *testing.T) {
	w := &world{verdict: lasting(), keepErr: errors.New("dial tcp 10.0.0.1:5432: refused")}
	answer, err := newBridge(t, w).Token(t.Context(), offline("lasting", "repository:apps/api:pull"))
	if err != nil || answer.Token != "TOKEN" || answer.Scope == "" || !answer.RefreshToken.Empty() {
		t.Fatalf("%+v, %v", answer, err)
	}
	if e := w.events[1]; e.Action != audit.SessionStarted || e.Outcome != audit.Unknown || e.Reason != "store_unavailable" {
		t.Errorf("event %+v", e)
	}
}

func shows(service string, scopes ...string) bridge.Request {
	req := request(service, scopes...)
	req.Credential, req.RefreshToken = identity.Credential{}, identity.NewSecret("SECRET")
	return req
}

func goesOn() sessions.Continued {
	who := alice().Identity()
	who.Method, who.Groups = identity.MethodPassword, []string{"dev"}
	return sessions.Continued{
		Session: sessions.Session{ID: "s1", Person: who, Service: "lasting", Method: identity.MethodPassword, CreatedAt: verifiedAt()},
		Token:   identity.NewSecret("NEXT"),
	}
}

func TestARefresh(t *testing.T) {
	for reason, change := range map[string]func(*sessions.Continued){
		"":                  func(*sessions.Continued) {},
		"other_client":      func(c *sessions.Continued) { c.OtherClient = true },
		"store_unavailable": func(c *sessions.Continued) { c.Remembered = true },
	} {
		w := &world{goesOn: goesOn()}
		change(&w.goesOn)
		answer, err := newBridge(t, w).Token(t.Context(), shows("lasting", "repository:apps/api:pull,push,delete"))
		if err != nil || answer.RefreshToken.Reveal() != "NEXT" || answer.Scope != "repository:apps/api:pull,push" {
			t.Fatalf("%+v, %v", answer, err)
		}
		if c := w.minted[0]; c.Session != "s1" || c.Subject != "corp/alice" || !c.AuthTime.Equal(verifiedAt()) {
			t.Errorf("claims %+v", c)
		}
		if w.shown.Token.Reveal() != "SECRET" || w.shown.Service != "lasting" || w.shown.ClientID != "docker" || w.shown.Address != "192.0.2.1" {
			t.Errorf("shown %+v", w.shown)
		}
		if diff := cmp.Diff([]audit.Action{audit.Refresh, audit.TokenIssued}, actions(w.events)); diff != "" {
			t.Error(diff)
		}
		if e := w.events[0]; e.Outcome != audit.Success || e.Reason != reason || e.SessionID != "s1" || e.User != "corp/alice" || e.Method != "password" {
			t.Errorf("event %+v", e)
		}
	}
}

// A token that is not honoured is never the anonymous caller, and the answer does not
// tell why.
func TestRefusedRefreshes(t *testing.T) {
	s := goesOn().Session
	messages := map[string]bool{}
	for _, tt := range []struct {
		service string
		refusal sessions.Refusal
		events  []audit.Action
		user    string
	}{
		{"lasting", sessions.Refusal{Reason: sessions.UnknownToken}, []audit.Action{audit.Refresh}, ""},
		{"lasting", sessions.Refusal{Reason: sessions.Revoked, Session: &s}, []audit.Action{audit.Refresh}, "corp/alice"},
		{"lasting", sessions.Refusal{Reason: sessions.PersonGone, Session: &s, Ended: true}, []audit.Action{audit.Refresh, audit.SessionRevoked}, "corp/alice"},
		{"plain", sessions.Refusal{Reason: sessions.TurnedOff}, []audit.Action{audit.Refresh}, ""},
	} {
		w := &world{refused: fmt.Errorf("wrapped: %w", &tt.refusal), verdict: alice()}
		_, err := newBridge(t, w).Token(t.Context(), shows(tt.service, "repository:public/x:pull"))
		e := identity.AsError(err)
		if e.Kind != identity.Unauthenticated || len(w.minted) != 0 {
			t.Errorf("%s: got %v", tt.refusal.Reason, err)
		}
		messages[e.Message] = true
		if diff := cmp.Diff(tt.events, actions(w.events)); diff != "" {
			t.Error(diff)
		}
		for _, event := range w.events {
			if event.Reason != string(tt.refusal.Reason) || event.User != tt.user {
				t.Errorf("event %+v", event)
			}
		}
		if w.events[0].Outcome != audit.Failure {
			t.Errorf("event %+v", w.events[0])
		}
		if tt.service == "plain" && !w.shown.Token.Empty() {
			t.Error("a registry without refresh tokens has one looked up")
		}
	}
	if len(messages) != 1 {
		t.Errorf("%d different messages: %v", len(messages), messages)
	}
}

func TestRefreshesThatCannotBeChecked(t *testing.T) {
	s := goesOn().Session
	down := errors.New("dial tcp 10.0.0.1:636: refused")
	for reason, err := range map[string]error{
		"unavailable":       &sessions.Outage{Session: &s, Err: down, Verdict: connectors.Verdict{Connector: "corp", Outcome: connectors.Unavailable(down)}},
		"misconfigured":     &sessions.Outage{Session: &s, Err: down, Verdict: connectors.Verdict{Connector: "corp", Outcome: connectors.Misconfigured(down)}},
		"store_unavailable": &sessions.Outage{Err: down},
	} {
		w := &world{refused: err}
		_, err := newBridge(t, w).Token(t.Context(), shows("lasting"))
		e := identity.AsError(err)
		if e.Kind != identity.Unavailable || e.RetryAfter == 0 || strings.Contains(e.Message, "10.0.0.1") {
			t.Errorf("%s: %+v", reason, e)
		}
		if len(w.events) != 1 || w.events[0].Outcome != audit.Unknown || w.events[0].Reason != reason {
			t.Errorf("%s: events %+v", reason, w.events)
		}
		if !strings.Contains(w.log.String(), "10.0.0.1") {
			t.Errorf("%s: the log does not say why: %s", reason, w.log.String())
		}
	}
}

// Neither a refresh token that is shown nor one that is handed out reaches a log.
func TestNoRefreshTokenInAnyOutput(t *testing.T) {
	for _, w := range []*world{
		{goesOn: goesOn()}, {refused: &sessions.Refusal{Reason: sessions.Reused, Session: &sessions.Session{ID: "s1"}, Ended: true}},
		{refused: &sessions.Outage{Err: errors.New("down")}}, {verdict: lasting()}, {verdict: lasting(), keepErr: errors.New("down")},
	} {
		req := shows("lasting")
		if w.verdict.Kind() == connectors.KindGranted {
			req = offline("lasting")
		}
		answer, err := newBridge(t, w).Token(t.Context(), req)
		text := fmt.Sprintf("%s %v %+v %+v %+v", w.log.String(), err, w.events, answer, req)
		for _, secret := range []string{"SECRET", "NEXT", "REFRESH"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, text)
			}
		}
	}
}
