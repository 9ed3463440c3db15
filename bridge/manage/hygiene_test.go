package manage_test

import (
	"fmt"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

const untidy = `bindings:
  - {name: admins, role: policy-admin, subjects: ["group:*/admins"]}
  - {name: dev, role: pusher, subjects: ["group:corp/dev"], repositories: ["apps/**"]}
  - {name: all, role: puller, subjects: [authenticated], repositories: ["apps/**"]}
  - {name: soon, role: puller, subjects: ["group:corp/temps"], repositories: ["apps/**"], expires: %s}
  - {name: ci, role: pusher, subjects: ["robot:ci"], repositories: ["base/**"]}
guardrails:
  - {name: frozen, deny: [push], repositories: ["apps/frozen"], except: ["group:corp/temps"]}
`

func TestHygiene(t *testing.T) {
	w := newWorld(t)
	w.Events = w.store
	now := time.Now().UTC().Truncate(time.Millisecond)
	text := fmt.Sprintf(untidy, now.Add(48*time.Hour).Format(time.RFC3339))
	doc, err := authz.Parse("policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := doc.Compile(authz.Options{HomeConnector: "corp"})
	if err != nil {
		t.Fatal(err)
	}
	w.InForce = func() bridge.Revision { return bridge.Revision{ID: "r7", Policy: policy} }
	n := 0
	event := func(ago time.Duration, action audit.Action, who, scope string, groups ...string) audit.Event {
		n++
		e := audit.Event{Time: now.Add(-ago), ID: fmt.Sprint(n), Action: action, Service: "main"}
		if scope != "" {
			e.Requested = []string{scope}
		}
		e.User, e.Groups = who, groups
		return e
	}
	err = w.store.AppendAudit(t.Context(), []audit.Event{
		event(9*time.Hour, audit.TokenDenied, "corp/bob", "repository:apps/frozen:push", "dev"), // a guardrail takes it away
		event(8*time.Hour, audit.TokenIssued, "corp/bob", "repository:apps/x:pull", "dev"),
		event(7*time.Hour, audit.TokenIssued, "corp/eve", "repository:apps/x:pull,push"),
		event(6*time.Hour, audit.TokenIssued, "corp/eve", "repository:apps/x:pull,push"),
		event(5*time.Hour, audit.AdminSignIn, "other/root", "", "admins"),
		event(4*time.Hour, audit.TokenIssued, "robot:ci", "repository:apps/x:pull"),
		event(3*time.Hour, audit.TokenIssued, "", "repository:apps/x:pull"),
		event(2*time.Hour, audit.TokenIssued, "breakglass", "repository:apps/x:pull"),
		event(time.Hour, audit.TokenIssued, "corp/bob", "nonsense"),
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := w.Hygiene(t.Context(), w.actor("eve"))
	if err != nil {
		t.Fatal(err)
	}
	var bindings []string
	for _, b := range h.Bindings {
		line := b.Name
		if b.LastUsed != nil {
			line += " " + now.Sub(*b.LastUsed).String()
		}
		if b.Unused {
			line += " unused"
		}
		if b.ExpiresSoon {
			line += " soon"
		}
		if b.Expired {
			line += " expired"
		}
		bindings = append(bindings, line)
	}
	if diff := cmp.Diff([]string{"admins", "dev 8h0m0s", "all 4h0m0s", "soon unused soon", "ci unused"}, bindings); diff != "" {
		t.Error(diff)
	}
	if got := fmt.Sprint(h.UnknownGroups); got != "[{group:corp/temps [soon frozen]}]" {
		t.Errorf("unknown groups: %s", got)
	}
	// The log begins nine hours ago, and says nothing of the time before.
	if !h.Since.Equal(now.Add(-9*time.Hour)) || h.Revision != "r7" {
		t.Errorf("since %s, revision %s", h.Since, h.Revision)
	}
	if err := w.store.AppendAudit(t.Context(), []audit.Event{event(2400*time.Hour, audit.Login, "corp/bob", "")}); err != nil {
		t.Fatal(err)
	}
	if h, err = w.Hygiene(t.Context(), w.actor("eve")); err != nil || !h.Since.Before(now.Add(-2159*time.Hour)) {
		t.Errorf("since %s, %v", h.Since, err)
	}
	if _, err := w.Hygiene(t.Context(), w.actor("nobody")); kindOf(err) != identity.Forbidden {
		t.Errorf("somebody without a role: %v", err)
	}
}
