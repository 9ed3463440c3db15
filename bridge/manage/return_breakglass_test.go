package manage_test

import (
	"testing"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/connectors/breakglass"
)

// Who has signed in with break-glass comes back for as long as that arming is in
// force, and not with another one.
func TestBreakGlassReturns(t *testing.T) {
	document, err := authz.Parse("policy", []byte("bindings: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := document.Compile(authz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	armed := true
	door := manage.Door{Desk: &manage.Desk{
		InForce: func() bridge.Revision { return bridge.Revision{ID: "r1", Policy: policy} }, Clock: time.Now,
		BreakGlass: func() (breakglass.Arming, bool) { return breakglass.Arming{ArmedAt: at}, armed },
	}}
	enters := func(verified time.Time) bool {
		a, err := door.Return(t.Context(), manage.Actor{VerifiedAt: verified}, breakglass.Identity())
		if (err == nil) != a.Capabilities.Has(authz.WritePolicy) {
			t.Errorf("%v with %v", err, a.Capabilities.Names())
		}
		return err == nil
	}
	if !enters(at.Add(time.Minute)) {
		t.Error("it does not come back while it is armed")
	}
	if enters(at.Add(-time.Minute)) || enters(time.Time{}) {
		t.Error("it comes back with an arming whose password it has not shown")
	}
	armed = false
	if enters(at.Add(time.Minute)) {
		t.Error("it comes back though it is not armed")
	}
	door.Desk.BreakGlass = nil
	if enters(at.Add(time.Minute)) {
		t.Error("it comes back where nobody looks whether it is armed")
	}
}
