package connectors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// owning is a scripted connector to which usernames that begin with "mine." belong.
type owning struct{ scripted }

func (*owning) Owns(cred identity.Credential) bool {
	return strings.HasPrefix(cred.Username, "mine.") || cred.Password.Reveal() == "my secret"
}

func (o *owning) Lookup(context.Context, string) connectors.Outcome { return o.outcome }

// Whatever an owner says of its own, nobody else is shown it; and it is shown
// nothing else. It stands last here, and comes first.
func TestAnOwnerHasTheOnlyWord(t *testing.T) {
	for _, outcome := range []connectors.Outcome{
		connectors.Granted(identity.Identity{Kind: identity.Robot, Name: "ci"}), connectors.NotMine(),
		connectors.Denied(connectors.UnknownSecret), connectors.Unavailable(errors.New("down")), {},
	} {
		owner := &owning{scripted{name: "mine", outcome: outcome}}
		other := &scripted{name: "other", outcome: connectors.Granted(person("other", "mine.ci"))}
		chain := connectors.NewChain(
			connectors.Link{Connector: other}, connectors.Link{Connector: owner, NextOnUnavailable: true})
		for _, cred := range []identity.Credential{credential("mine.ci", "x"), credential("alice", "my secret")} {
			got := chain.Authenticate(t.Context(), cred)
			if got.Kind() != outcome.Kind() || got.Connector != "mine" || other.asked != 0 || got.Skipped != nil {
				t.Errorf("%s: got %s by %q, the other was asked %d times", outcome, got.Outcome, got.Connector, other.asked)
			}
		}
		if got := chain.Authenticate(t.Context(), credential("alice", "x")); got.Connector != "other" || owner.asked != 2 {
			t.Errorf("somebody else's: got %s by %q, the owner was asked %d times", got.Outcome, got.Connector, owner.asked)
		}
	}
}

// What no backend may see, no owner sees either.
func TestAnOwnerIsSparedWhatIsRefused(t *testing.T) {
	owner := &owning{scripted{name: "mine", outcome: connectors.Granted(person("mine", "x"))}}
	chain := connectors.NewChain(connectors.Link{Connector: owner})
	for _, cred := range []identity.Credential{
		credential("mine.ci\x00", "x"), credential("mine.ci", ""), credential("mine."+strings.Repeat("a", 300), "x"), credential("mine.\xff", "x"),
	} {
		if got := chain.Authenticate(t.Context(), cred); got.Kind() != connectors.KindDenied || owner.asked != 0 {
			t.Errorf("%q: got %s", cred.Username, got.Outcome)
		}
	}
}

// Nothing that an owner says is remembered, so that its next word counts at once;
// and wrong secrets lock nobody out.
func TestAnOwnerIsNeitherCachedNorLimited(t *testing.T) {
	owner := &owning{scripted{name: "mine", outcome: connectors.Denied(connectors.UnknownSecret)}}
	store := &mapCache{values: map[string][]byte{}}
	opts := options(store)
	opts.FailuresPerMinute = 3
	c := connectors.Cached(connectors.NewChain(connectors.Link{Connector: owner}), opts)
	for i := range 20 {
		if got := c.Authenticate(t.Context(), credential("mine.ci", fmt.Sprint(i))); got.Reason() != connectors.UnknownSecret {
			t.Fatalf("attempt %d: got %s", i, got.Outcome)
		}
	}
	for _, outcome := range []connectors.Outcome{
		connectors.Granted(identity.Identity{Kind: identity.Robot, Name: "ci"}), connectors.Denied(connectors.AccountDisabled),
		connectors.Unavailable(errors.New("down")), // and no grace for what was granted before
	} {
		owner.outcome = outcome
		if got := c.Authenticate(t.Context(), credential("mine.ci", "19")); got.Kind() != outcome.Kind() || got.Stale {
			t.Errorf("got %s, want %s", got.Outcome, outcome)
		}
	}
	if len(store.values) != 0 {
		t.Errorf("the cache holds %d values", len(store.values))
	}
}

func TestTraceOfAnOwner(t *testing.T) {
	owner := &owning{scripted{name: "mine", outcome: connectors.NotMine()}}
	other := looks("other", connectors.Granted(person("other", "alice")))
	chain := connectors.NewChain(connectors.Link{Connector: other}, connectors.Link{Connector: owner})
	for username, want := range map[string]string{
		"mine.ci": "mine not_mine, other not_asked, settled by mine",
		"alice":   "mine not_routed, other granted, settled by other",
	} {
		steps, settled := chain.Trace(t.Context(), username)
		got := ""
		for _, s := range steps {
			got += fmt.Sprintf("%s %s, ", s.Connector.Name(), s.Answer)
		}
		if settled != nil {
			got += "settled by " + settled.Connector.Name()
		}
		if got != want {
			t.Errorf("%s: %s; want %s", username, got, want)
		}
	}
}

func TestWhomAnOutcomeConcerns(t *testing.T) {
	for want, outcome := range map[string]connectors.Outcome{
		"corp/alice": connectors.Granted(person("corp", "alice")),
		"robot:ci":   connectors.Denied(connectors.SecretExpired).About("robot:ci"),
		"":           connectors.Denied(connectors.WrongPassword),
	} {
		if got := outcome.Whom(); got != want {
			t.Errorf("%s: got %q, want %q", outcome, got, want)
		}
	}
	if id := connectors.Denied(connectors.SecretExpired).About("robot:ci").Identity(); id.Kind != identity.Anonymous {
		t.Errorf("a refusal has the identity %v", id)
	}
}
