package connectors_test

import (
	"context"
	"errors"
	"testing"

	"drawbridge/connectors"
	"drawbridge/connectors/measure"
	"drawbridge/identity"
	"drawbridge/tracing/tracingtest"

	"github.com/google/go-cmp/cmp"
)

// answers is a connector that asks its backend and answers what the test says.
type answers struct {
	name    string
	outcome connectors.Outcome
}

func (a answers) Name() string { return a.name }

func (a answers) Authenticate(ctx context.Context, _ identity.Credential) connectors.Outcome {
	measure.Ask(ctx, "ldap", "user_bind", "").End(nil, measure.Refused)
	return a.outcome
}

func (a answers) Recheck(ctx context.Context, _ identity.Identity, _ string) connectors.Outcome {
	measure.Ask(ctx, "ldap", "user_search", "").End(nil, measure.Timeout)
	return a.outcome
}

// Each connector that is asked is a span, and its backend's below it. Nobody's name is
// in one, and no error's text.
func TestConnectorsAreTraced(t *testing.T) {
	chain := connectors.NewChain(
		connectors.Link{Connector: answers{"first", connectors.NotMine()}},
		connectors.Link{Connector: answers{"second", connectors.Unavailable(errors.New("uid=alice,dc=example"))}, NextOnUnavailable: true},
		connectors.Link{Connector: answers{"third", connectors.Denied(connectors.WrongPassword).About("third/alice")}},
	)
	got := tracingtest.Traced(t.Context(), func(ctx context.Context) {
		chain.Authenticate(ctx, identity.Credential{Username: "alice", Password: identity.NewSecret("hunter2")})
		chain.Recheck(ctx, identity.Identity{Connector: "second", Name: "alice"}, "")
	})
	const want = `  authenticate drawbridge.connector=first drawbridge.outcome=not_mine
    ldap user_bind drawbridge.outcome=refused
  authenticate! drawbridge.connector=second drawbridge.outcome=unavailable error.type=unavailable
    ldap user_bind drawbridge.outcome=refused
  authenticate drawbridge.connector=third drawbridge.outcome=denied drawbridge.reason=wrong_password
    ldap user_bind drawbridge.outcome=refused
  recheck! drawbridge.connector=second drawbridge.outcome=unavailable error.type=unavailable
    ldap user_search! drawbridge.outcome=timeout error.type=timeout
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
