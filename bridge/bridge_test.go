package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/sessions"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const document = `
bindings:
  - name: developers
    role: pusher
    subjects: ["group:corp/dev"]
    repositories: ["apps/**"]
  - name: public
    role: puller
    subjects: [anonymous]
    repositories: ["public/**"]
  - name: catalog
    role: catalog-reader
    subjects: ["group:corp/dev"]
guardrails:
  - name: frozen
    deny: [push]
    repositories: ["apps/frozen"]
`

// world stands in for what is around a bridge, and records what it is told.
type world struct {
	verdict connectors.Verdict
	mintErr error
	minted  []tokens.Claims
	events  []audit.Event
	log     bytes.Buffer

	fresh   bool             // whether the last credential was to be verified afresh
	begun   []sessions.Start // the drafts
	kept    int
	keepErr error
	shown   sessions.Shown // the last refresh token
	goesOn  sessions.Continued
	refused error
}

func (w *world) Authenticate(_ context.Context, cred identity.Credential) connectors.Verdict {
	w.fresh = cred.Fresh
	return w.verdict
}

func (w *world) Mint(_ string, c tokens.Claims) (string, error) {
	w.minted = append(w.minted, c)
	return "TOKEN", w.mintErr
}

func (w *world) Record(e audit.Event) { w.events = append(w.events, e) }

func now() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }

// verifiedAt is when alice was verified: a while ago, since she is remembered.
func verifiedAt() time.Time { return now().Add(-40 * time.Second) }

func compile(t *testing.T, text string) *authz.Policy {
	t.Helper()
	doc, err := authz.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := doc.Compile(authz.Options{HomeConnector: "corp"})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func newBridge(t *testing.T, w *world) *bridge.Bridge { t.Helper(); return newBridgeWith(t, w, nil) }

func newBridgeWith(t *testing.T, w *world, accounts bridge.Rate) *bridge.Bridge {
	t.Helper()
	return bridge.New(bridge.Options{
		Registries: []bridge.Registry{
			{Service: "plain", Issuer: "issuer"},
			{Service: "explaining", Issuer: "issuer", Explain: true},
			{Service: "lasting", Issuer: "issuer", RefreshTokens: true},
		},
		Connectors: w, Tokens: w, Sessions: w, Audit: w, Accounts: accounts, Policy: bridge.Revision{ID: "r1", Policy: compile(t, document)},
		AccessTTL: 5 * time.Minute, Clock: now, NewID: func() string { return "decision" },
		Metrics: bridge.NewMetrics(prometheus.NewRegistry()),
		Log:     slog.New(slog.NewTextHandler(&w.log, nil)),
	})
}

func alice() connectors.Verdict {
	return connectors.Verdict{Connector: "corp", VerifiedAt: verifiedAt(), Outcome: connectors.Granted(identity.Identity{
		Kind: identity.User, Connector: "corp", Name: "alice", Groups: []string{"dev"},
	})}
}

func request(service string, scopes ...string) bridge.Request {
	return bridge.Request{
		Service: service, Scopes: authz.ParseScopes(scopes),
		Credential: identity.Credential{Username: "typed", Password: identity.NewSecret("hunter2")},
		ClientID:   "docker", SourceIP: "192.0.2.1", UserAgent: "test", RequestID: "req",
	}
}

func TestTokenCarriesWhatThePolicyGrants(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scopes []string
		scope  string
		access []tokens.Access
		action audit.Action
	}{
		{"login probe", nil, "", []tokens.Access{}, audit.TokenIssued},
		{
			"all of it", []string{"repository:apps/api:pull,push"}, "repository:apps/api:pull,push",
			[]tokens.Access{{Type: "repository", Name: "apps/api", Actions: []string{"pull", "push"}}}, audit.TokenIssued,
		},
		{
			"a part of it", []string{"repository:apps/api:pull,push,delete", "repository:other/x:pull"}, "repository:apps/api:pull,push",
			[]tokens.Access{{Type: "repository", Name: "apps/api", Actions: []string{"pull", "push"}}}, audit.TokenIssued,
		},
		{
			"a guardrail takes push away", []string{"repository:apps/frozen:*"}, "repository:apps/frozen:pull",
			[]tokens.Access{{Type: "repository", Name: "apps/frozen", Actions: []string{"pull"}}}, audit.TokenIssued,
		},
		{
			"the catalog", []string{"registry:catalog:*"}, "registry:catalog:*",
			[]tokens.Access{{Type: "registry", Name: "catalog", Actions: []string{"*"}}}, audit.TokenIssued,
		},
		{"none of it", []string{"repository:other/x:pull"}, "", []tokens.Access{}, audit.TokenDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{verdict: alice()}
			answer, err := newBridge(t, w).Token(t.Context(), request("plain", tt.scopes...))
			if err != nil {
				t.Fatal(err)
			}
			want := bridge.Answer{Token: "TOKEN", TTL: 5 * time.Minute, Scope: tt.scope}
			if diff := cmp.Diff(want, answer, cmp.AllowUnexported(identity.Secret{})); diff != "" {
				t.Error(diff)
			}
			claims := tokens.Claims{
				Issuer: "issuer", Audience: "plain", Subject: "corp/alice", ID: "decision",
				IssuedAt: now(), TTL: 5 * time.Minute, Access: tt.access, AuthTime: verifiedAt(),
			}
			if diff := cmp.Diff([]tokens.Claims{claims}, w.minted); diff != "" {
				t.Error(diff)
			}
			if got := actions(w.events); !cmp.Equal(got, []audit.Action{audit.Login, tt.action}) {
				t.Errorf("events %v", got)
			}
			if e := w.events[1]; e.User != "corp/alice" || e.DecisionID != "decision" || e.PolicyRevision != "r1" || e.SourceIP != "192.0.2.1" {
				t.Errorf("event %+v", e)
			}
		})
	}
}

func actions(events []audit.Event) []audit.Action {
	var out []audit.Action
	for _, e := range events {
		out = append(out, e.Action)
	}
	return out
}

func TestAnonymousCallers(t *testing.T) {
	w := &world{verdict: alice()} // must not be asked
	req := request("explaining", "repository:public/x:pull,push", "repository:apps/api:pull")
	req.Credential = identity.Credential{}
	b := newBridge(t, w)
	answer, err := b.Token(t.Context(), req)
	if err != nil || answer.Scope != "repository:public/x:pull" || w.minted[0].Subject != "" || !w.minted[0].AuthTime.IsZero() {
		t.Errorf("got %+v, %v", answer, err)
	}
	// A refusal would keep clients from asking for a login.
	req.Scopes = authz.ParseScopes([]string{"repository:apps/api:pull"})
	if answer, err = b.Token(t.Context(), req); err != nil || answer.Scope != "" {
		t.Errorf("nothing granted: got %+v, %v", answer, err)
	}
}

func TestDenyResponseExplain(t *testing.T) {
	w := &world{verdict: alice()}
	b := newBridge(t, w)
	_, err := b.Token(t.Context(), request("explaining", "repository:other/x:pull,push", "registry:nonsense:*"))
	e := identity.AsError(err)
	if e.Kind != identity.Forbidden || len(w.minted) != 0 {
		t.Fatalf("got %v, %d tokens", err, len(w.minted))
	}
	for _, want := range []string{"other/x", "pull", "push", "corp/alice", "decision"} {
		if !strings.Contains(e.Message, want) {
			t.Errorf("%q does not name %q", e.Message, want)
		}
	}
	if strings.Contains(e.Message, "group") || strings.Contains(e.Message, "dev") {
		t.Errorf("the message tells who else has access: %q", e.Message)
	}
	if last := w.events[len(w.events)-1]; last.Action != audit.TokenDenied || last.Reason != "no_grant" || last.DecisionID != "decision" {
		t.Errorf("event %+v", last)
	}
	if answer, err := b.Token(t.Context(), request("explaining", "repository:other/x:pull", "repository:apps/api:pull")); err != nil || answer.Scope != "repository:apps/api:pull" {
		t.Errorf("a partial grant is no denial: %+v, %v", answer, err)
	}
	if _, err := b.Token(t.Context(), request("explaining")); err != nil {
		t.Errorf("a login probe is no denial: %v", err)
	}
}

func TestOutcomesBecomeErrors(t *testing.T) {
	down := errors.New("dial tcp 10.0.0.1:636: refused")
	for _, tt := range []struct {
		outcome connectors.Outcome
		kind    identity.ErrorKind
		event   audit.Outcome
		reason  string
	}{
		{connectors.Denied(connectors.WrongPassword), identity.Unauthenticated, audit.Failure, "wrong_password"},
		{connectors.Denied(connectors.AccountLocked), identity.Unauthenticated, audit.Failure, "account_locked"},
		{connectors.NotMine(), identity.Unauthenticated, audit.Failure, "unknown_user"},
		{connectors.Unavailable(down), identity.Unavailable, audit.Unknown, "unavailable"},
		{connectors.Misconfigured(down), identity.Unavailable, audit.Unknown, "misconfigured"},
		{connectors.Outcome{}, identity.Unavailable, audit.Unknown, "unavailable"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			w := &world{verdict: connectors.Verdict{Connector: "corp", Outcome: tt.outcome}}
			_, err := newBridge(t, w).Token(t.Context(), request("plain", "repository:apps/api:pull"))
			e := identity.AsError(err)
			if e.Kind != tt.kind || len(w.minted) != 0 {
				t.Errorf("got kind %d, %d tokens", e.Kind, len(w.minted))
			}
			if strings.Contains(e.Message, "10.0.0.1") || strings.Contains(e.Message, "locked") {
				t.Errorf("the client reads %q", e.Message)
			}
			if tt.kind == identity.Unavailable && e.RetryAfter == 0 {
				t.Error("no Retry-After")
			}
			if len(w.events) != 1 || w.events[0].Outcome != tt.event || w.events[0].Reason != tt.reason {
				t.Errorf("events %+v", w.events)
			}
		})
	}
}

// Somebody who is known from before an outage gets a short token, and the audit
// log says so.
func TestStaleCallersGetAShortToken(t *testing.T) {
	verdict := alice()
	verdict.Stale = true
	w := &world{verdict: verdict}
	answer, err := newBridge(t, w).Token(t.Context(), request("plain", "repository:apps/api:pull"))
	if err != nil || answer.TTL != time.Minute || w.minted[0].TTL != time.Minute {
		t.Errorf("got %+v, %v", answer, err)
	}
	if len(w.events) != 2 || !w.events[0].Stale || !w.events[1].Stale {
		t.Errorf("events %+v", w.events)
	}
}

func TestTooManyFailuresIsARateLimit(t *testing.T) {
	w := &world{verdict: connectors.Verdict{Outcome: connectors.Denied(connectors.TooManyFailures), RetryAfter: 30 * time.Second}}
	_, err := newBridge(t, w).Token(t.Context(), request("plain"))
	if e := identity.AsError(err); e.Kind != identity.RateLimited || e.RetryAfter != 30*time.Second {
		t.Errorf("got %v", err)
	}
	if w.events[0].Reason != "too_many_failures" {
		t.Errorf("events %+v", w.events)
	}
}

// The refusals of an unknown user, a wrong password and a locked account are the
// same bytes, or the answer would tell which usernames exist.
func TestRefusalsReadTheSame(t *testing.T) {
	messages := map[string]bool{}
	for _, outcome := range []connectors.Outcome{
		connectors.NotMine(), connectors.Denied(connectors.WrongPassword), connectors.Denied(connectors.AccountLocked),
		connectors.Denied(connectors.Ambiguous), connectors.Denied(connectors.AccountDisabled),
		connectors.Denied(connectors.UnknownRobot), connectors.Denied(connectors.AddressRefused).About("robot:ci"),
	} {
		w := &world{verdict: connectors.Verdict{Outcome: outcome}}
		_, err := newBridge(t, w).Token(t.Context(), request("plain"))
		messages[identity.AsError(err).Message] = true
	}
	if len(messages) != 1 {
		t.Errorf("%d different messages: %v", len(messages), messages)
	}
}

// The audit log names whom a refused login concerns where a connector knows that,
// and never what was typed.
func TestTheAuditLogNamesWhoIsRefused(t *testing.T) {
	for want, outcome := range map[string]connectors.Outcome{
		"robot:ci": connectors.Denied(connectors.SecretExpired).About("robot:ci"),
		"":         connectors.Denied(connectors.WrongPassword),
	} {
		w := &world{verdict: connectors.Verdict{Outcome: outcome}}
		if _, err := newBridge(t, w).Token(t.Context(), request("plain")); err == nil {
			t.Fatalf("%s: a token was issued", outcome)
		}
		if e := w.events[0]; e.Action != audit.Login || e.Outcome != audit.Failure || e.User != want {
			t.Errorf("%s: event %+v", outcome, e)
		}
	}
}

func TestSkippedConnectorsAreAudited(t *testing.T) {
	verdict := alice()
	verdict.Skipped = []string{"directory"}
	w := &world{verdict: verdict}
	if _, err := newBridge(t, w).Token(t.Context(), request("plain")); err != nil {
		t.Fatal(err)
	}
	if e := w.events[0]; e.Action != audit.ConnectorSkipped || e.Connector != "directory" {
		t.Errorf("event %+v", e)
	}
}

func TestServices(t *testing.T) {
	b := newBridge(t, &world{verdict: alice()})
	for _, service := range []string{"", "another"} {
		if _, err := b.Token(t.Context(), request(service)); identity.AsError(err).Kind != identity.Invalid {
			t.Errorf("service %q: got %v", service, err)
		}
	}
}

func TestMintErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want identity.ErrorKind
	}{
		{&identity.Error{Kind: identity.TooLarge, Message: "Too many scopes."}, identity.TooLarge},
		{errors.New("no key"), identity.Internal},
	} {
		w := &world{verdict: alice(), mintErr: tt.err}
		_, err := newBridge(t, w).Token(t.Context(), request("plain", "repository:apps/api:pull"))
		if identity.AsError(err).Kind != tt.want {
			t.Errorf("got %v", err)
		}
	}
}

func TestSetPolicyIsInForceForTheNextRequest(t *testing.T) {
	w := &world{verdict: alice()}
	b := newBridge(t, w)
	b.SetPolicy(bridge.Revision{ID: "r2", Policy: compile(t, "bindings: []\n")})
	answer, err := b.Token(t.Context(), request("plain", "repository:apps/api:pull"))
	if err != nil || answer.Scope != "" || w.events[1].PolicyRevision != "r2" || b.Policy().ID != "r2" {
		t.Errorf("got %+v, %v, %+v", answer, err, w.events)
	}
}

// Nothing that was typed or shown reaches the log or the audit log.
func TestNoSecretInAnyOutput(t *testing.T) {
	for _, outcome := range []connectors.Outcome{
		connectors.NotMine(), connectors.Denied(connectors.WrongPassword), connectors.Unavailable(errors.New("down")),
		connectors.Misconfigured(errors.New("bad")), alice().Outcome,
	} {
		w := &world{verdict: connectors.Verdict{Connector: "corp", Outcome: outcome}}
		_, err := newBridge(t, w).Token(t.Context(), request("plain", "repository:apps/api:pull"))
		l, auditErr := audit.New(audit.Options{Stdout: &w.log, Log: slog.New(slog.DiscardHandler)})
		if auditErr != nil {
			t.Fatal(auditErr)
		}
		for _, e := range w.events {
			l.Record(e)
		}
		if auditErr := l.Close(); auditErr != nil {
			t.Fatal(auditErr)
		}
		text := w.log.String()
		if err != nil {
			text += err.Error()
		}
		for _, secret := range []string{"hunter2", "typed", "TOKEN"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %q is in %s", outcome, secret, text)
			}
		}
	}
}
