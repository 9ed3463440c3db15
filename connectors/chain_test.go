package connectors_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// scripted answers every credential with one outcome and counts the questions.
type scripted struct {
	name    string
	outcome connectors.Outcome
	asked   int
	// meanwhile happens between the question and the answer, if it is set.
	meanwhile func()
}

func (s *scripted) Name() string { return s.name }

func (s *scripted) Authenticate(context.Context, identity.Credential) connectors.Outcome {
	s.asked++
	outcome := s.outcome
	if s.meanwhile != nil {
		s.meanwhile()
	}
	return outcome
}

func credential(username, password string) identity.Credential {
	return identity.Credential{Username: username, Password: identity.NewSecret(password)}
}

func person(connector, name string) identity.Identity {
	return identity.Identity{Kind: identity.User, Connector: connector, Name: name}
}

func TestChainFallsThroughOnNotMineAlone(t *testing.T) {
	down := errors.New("connection refused")
	for _, tt := range []struct {
		name      string
		first     connectors.Outcome
		next      bool
		wantKind  connectors.Kind
		wantBy    string
		wantAsked int // how often the second connector was asked
		skipped   []string
	}{
		{"granted stops", connectors.Granted(person("first", "alice")), false, connectors.KindGranted, "first", 0, nil},
		{"not mine goes on", connectors.NotMine(), false, connectors.KindGranted, "second", 1, nil},
		{"denied stops", connectors.Denied(connectors.WrongPassword), false, connectors.KindDenied, "first", 0, nil},
		{"unavailable stops", connectors.Unavailable(down), false, connectors.KindUnavailable, "first", 0, nil},
		{"misconfigured stops", connectors.Misconfigured(down), false, connectors.KindMisconfigured, "first", 0, nil},
		{"an outcome nobody set stops", connectors.Outcome{}, false, connectors.KindUnavailable, "first", 0, nil},
		{"denied stops with next too", connectors.Denied(connectors.AccountLocked), true, connectors.KindDenied, "first", 0, nil},
		{"unavailable goes on with next", connectors.Unavailable(down), true, connectors.KindGranted, "second", 1, []string{"first"}},
		{"misconfigured goes on with next", connectors.Misconfigured(down), true, connectors.KindGranted, "second", 1, []string{"first"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := &scripted{name: "first", outcome: tt.first}
			second := &scripted{name: "second", outcome: connectors.Granted(person("second", "alice"))}
			chain := connectors.NewChain(
				connectors.Link{Connector: first, NextOnUnavailable: tt.next},
				connectors.Link{Connector: second})
			got := chain.Authenticate(t.Context(), credential("alice", "secret"))
			if got.Kind() != tt.wantKind || got.Connector != tt.wantBy || second.asked != tt.wantAsked {
				t.Errorf("got %s by %q, second asked %d times", got.Outcome, got.Connector, second.asked)
			}
			if diff := cmp.Diff(tt.skipped, got.Skipped); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChainNobodyKnowsTheUsername(t *testing.T) {
	chain := connectors.NewChain(connectors.Link{Connector: &scripted{name: "a", outcome: connectors.NotMine()}})
	if got := chain.Authenticate(t.Context(), credential("ghost", "x")); got.Kind() != connectors.KindNotMine {
		t.Errorf("got %s", got.Outcome)
	}
}

// A connector that was passed over may be the one that knows the caller, so the
// answer may not be "unknown user".
func TestChainSkippedConnectorIsAnOutageForTheUnknown(t *testing.T) {
	chain := connectors.NewChain(
		connectors.Link{Connector: &scripted{name: "corp", outcome: connectors.Unavailable(errors.New("down"))}, NextOnUnavailable: true},
		connectors.Link{Connector: &scripted{name: "local", outcome: connectors.NotMine()}})
	got := chain.Authenticate(t.Context(), credential("alice", "x"))
	if got.Kind() != connectors.KindUnavailable || got.Connector != "corp" {
		t.Errorf("got %s by %q", got.Outcome, got.Connector)
	}
}

func TestChainRoutesByUsername(t *testing.T) {
	pattern, err := identity.ParseUsernamePattern("*@example.com")
	if err != nil {
		t.Fatal(err)
	}
	sso := &scripted{name: "sso", outcome: connectors.Granted(person("sso", "alice"))}
	chain := connectors.NewChain(connectors.Link{Connector: sso, Match: pattern})
	if got := chain.Authenticate(t.Context(), credential("alice", "x")); got.Kind() != connectors.KindNotMine || sso.asked != 0 {
		t.Errorf("a username off the route: got %s, asked %d times", got.Outcome, sso.asked)
	}
	if got := chain.Authenticate(t.Context(), credential("alice@example.com", "x")); got.Kind() != connectors.KindGranted {
		t.Errorf("a username on the route: got %s", got.Outcome)
	}
}

func TestChainRefusesWhatNoBackendMaySee(t *testing.T) {
	for _, tt := range []struct {
		name string
		cred identity.Credential
		want connectors.Reason
	}{
		{"empty username", credential("", "x"), connectors.BadUsername},
		{"empty password", credential("alice", ""), connectors.BadPassword},
		{"NUL in username", credential("ali\x00ce", "x"), connectors.BadUsername},
		{"NUL in password", credential("alice", "x\x00y"), connectors.BadPassword},
		{"1 MB username", credential(strings.Repeat("a", 1<<20), "x"), connectors.BadUsername},
		{"1 MB password", credential("alice", strings.Repeat("a", 1<<20)), connectors.BadPassword},
		{"not UTF-8", credential("ali\xffce", "x"), connectors.BadUsername},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &scripted{name: "corp", outcome: connectors.Granted(person("corp", "alice"))}
			got := connectors.NewChain(connectors.Link{Connector: c}).Authenticate(t.Context(), tt.cred)
			if got.Kind() != connectors.KindDenied || got.Reason() != tt.want || c.asked != 0 {
				t.Errorf("got %s, asked %d times", got.Outcome, c.asked)
			}
		})
	}
}
