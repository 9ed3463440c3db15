package oidc

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"drawbridge/identity"
	"drawbridge/tracing/tracingtest"
)

// The requests of a login are spans, and the provider is told nothing of the trace.
func TestRequestsAreTraced(t *testing.T) {
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, map[string]any{"groups": nil})
	c, answer, told := p.connector(nil), p.answer, ""
	p.set(func() {
		p.answer = func(w http.ResponseWriter, r *http.Request) {
			told = r.Header.Get("Traceparent")
			answer(w, r)
		}
	})
	got := tracingtest.Traced(t.Context(), func(ctx context.Context) {
		c.Authenticate(ctx, identity.Credential{Username: "alice", Password: identity.NewSecret("hunter2")})
	})
	if told != "" {
		t.Errorf("the provider is told %s", told)
	}
	for _, want := range []string{"oidc token drawbridge.outcome=ok server.address=127.0.0.1 server.port=", "oidc userinfo drawbridge.outcome=ok"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
