package main

import (
	"context"
	"strings"
	"testing"
)

// What happens on a server comes out of a tail beside it, each event once and in the
// order of time.
func TestAuditTailFollows(t *testing.T) {
	r := startServe(t, seeded(t))
	r.token(t, "admin", "wrong", "repository:a/b:pull")
	r.stdout.wait(t, `"event.action":"login","event.outcome":"failure"`)

	ctx, cancel := context.WithCancel(t.Context())
	out, errs, done := &recorded{}, &recorded{}, make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"audit", "tail", "--follow", "--action", "login,token_revoked", "-o", "json"}, strings.NewReader(""), out, errs)
	}()
	out.wait(t, `wrong_password`)
	for _, id := range []string{"first", "second"} {
		if err := run(t.Context(), []string{"token", "revoke", id}, strings.NewReader(""), &recorded{}, &recorded{}); err != nil {
			t.Fatal(err)
		}
	}
	out.wait(t, `(?s)wrong_password.*"drawbridge.decision_id":"first".*"drawbridge.decision_id":"second"`)
	cancel()
	if err := <-done; err != nil || errs.String() != "" {
		t.Errorf("got %v, %s", err, errs.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines for three events: %s", n, out.String())
	}
}
