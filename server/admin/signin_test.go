package admin_test

import (
	"testing"

	"drawbridge/audit"
)

// Basic credentials come with each request: one event stands for those that were
// good, and each refused one is an event of its own.
func TestSignInsAreAudited(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.do("root", "GET", "/api/v1/policy", "")
	}
	w.do("eve", "GET", "/api/v1/policy", "")
	signIns := map[string]int{}
	for _, e := range w.events {
		if e.Action == audit.AdminSignIn {
			signIns[e.User+" "+string(e.Outcome)+" "+e.SourceIP]++
		}
	}
	if len(signIns) != 2 || signIns["corp/root success 192.0.2.1"] != 1 || signIns["corp/eve success 192.0.2.1"] != 1 {
		t.Errorf("got %v", signIns)
	}
}
