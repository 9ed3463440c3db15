package bridge_test

import (
	"context"
	"errors"
	"testing"

	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tracing/tracingtest"

	"github.com/google/go-cmp/cmp"
)

// The steps of a token request, whoever asks, and under which ID the audit log has the
// decision. No name is in them.
func TestTokenRequestsAreTraced(t *testing.T) {
	before := alice()
	before.Stale = true
	for _, tt := range []struct {
		what    string
		verdict connectors.Verdict
		mintErr error
		scope   string
		want    string
	}{
		{"a grant", alice(), nil, "repository:apps/a:push", `  identify drawbridge.connector=corp drawbridge.outcome=ok
  decide drawbridge.decision_id=decision drawbridge.outcome=granted drawbridge.policy_revision=r1
  sign drawbridge.outcome=ok
`},
		{"nothing granted", alice(), nil, "repository:other/a:push", `  identify drawbridge.connector=corp drawbridge.outcome=ok
  decide drawbridge.decision_id=decision drawbridge.outcome=no_grant drawbridge.policy_revision=r1
  sign drawbridge.outcome=ok
`},
		{"a wrong password", connectors.Verdict{Outcome: connectors.Denied(connectors.WrongPassword)}, nil, "repository:apps/a:push", "  identify drawbridge.outcome=refused\n"},
		{"an outage", connectors.Verdict{Outcome: connectors.Unavailable(errors.New("uid=alice"))}, nil, "repository:apps/a:push",
			"  identify! drawbridge.outcome=unavailable error.type=unavailable\n"},
		{"somebody known from before an outage", before, nil, "repository:apps/a:push", `  identify drawbridge.connector=corp drawbridge.outcome=ok drawbridge.stale=true
  decide drawbridge.decision_id=decision drawbridge.outcome=granted drawbridge.policy_revision=r1
  sign drawbridge.outcome=ok
`},
		{"no key", alice(), errors.New("no key"), "repository:apps/a:push", `  identify drawbridge.connector=corp drawbridge.outcome=ok
  decide drawbridge.decision_id=decision drawbridge.outcome=granted drawbridge.policy_revision=r1
  sign! drawbridge.outcome=failed error.type=failed
`},
	} {
		b := newBridge(t, &world{verdict: tt.verdict, mintErr: tt.mintErr})
		got := tracingtest.Traced(t.Context(), func(ctx context.Context) {
			_, _ = b.Token(ctx, bridge.Request{
				Service: "plain", Credential: identity.Credential{Username: "alice", Password: identity.NewSecret("hunter2")}, Scopes: authz.ParseScopes([]string{tt.scope}),
			})
		})
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
}
