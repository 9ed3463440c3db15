package clients

import (
	"net/http"
	"strings"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// The policy changes while people log in: a right that is taken is gone, a
// faulty document changes nothing and says so, and no request fails.
func TestPolicyChangesDuringTraffic(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory))
	load := newTraffic(t, s, "alice", "bob")
	granted := func() string {
		t.Helper()
		return s.Ask(testbed.TokenRequest{
			Service: filtering, User: "alice", Password: testbed.SeedPassword("alice"),
			Scopes: []string{"repository:payments/api:pull,push"},
		}).Scope
	}
	const both, pull = "repository:payments/api:pull,push", "repository:payments/api:pull"
	if got := granted(); got != both {
		t.Fatalf("before: %q", got)
	}

	s.WriteFile("policy.yaml", strings.Replace(policy, "role: pusher", "role: puller", 1))
	s.Await("the new policy is in force", func() bool { return granted() == pull })
	const failures = "drawbridge_policy_reload_failures_total"
	if n := s.Metrics()[failures]; n != 0 {
		t.Errorf("%s is %v before anything was refused", failures, n)
	}

	for name, broken := range map[string]string{
		"no YAML":          "bindings: [",
		"an unknown key":   policy + "\nbinding: []\n",
		"a failing test":   policy + "\ntests:\n  - { as: { user: corp/alice }, repository: secret/x, allow: [push] }\n",
		"an empty file":    "",
		"an unknown role":  strings.Replace(policy, "role: pusher", "role: owner", 1),
		"a wrong resource": strings.Replace(policy, `"payments/**"`, `"payments/**/x"`, 1),
	} {
		rejected := s.Metrics()[failures]
		s.WriteFile("policy.yaml", broken)
		s.Await(name+" is refused", func() bool { return s.Metrics()[failures] > rejected })
		if got := granted(); got != pull {
			t.Errorf("after %s alice has %q, want %q as before", name, got, pull)
		}
	}
	s.AwaitAudit("a refused policy", func(e audit.Event) bool { return e.Action == audit.PolicyRejected })
	contains(t, "the log", s.Output(), "reload refused: what was in force stays", "policy.yaml")

	s.WriteFile("policy.yaml", policy)
	s.Await("the first policy is back", func() bool { return granted() == both })
	for status, n := range load.stop() {
		if status != http.StatusOK {
			t.Errorf("%d requests were answered with status %d", n, status)
		}
	}
}

// An account comes and goes with the htpasswd file; a faulty file changes nothing.
func TestHTPasswdFileChanges(t *testing.T) {
	t.Parallel()
	s := serve(t, registries, local, "cache: { credential_ttl: 0s }\n")
	logsIn := func(user, password string) bool {
		t.Helper()
		return s.Ask(testbed.TokenRequest{Service: filtering, User: user, Password: password}).Status == http.StatusOK
	}
	s.WriteFile("htpasswd", testbed.HTPasswd(t, admin, adminPW, "deputy", "a deputy's"))
	s.Await("the deputy logs in", func() bool { return logsIn("deputy", "a deputy's") })
	s.WriteFile("htpasswd", "deputy:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n")
	s.Await("the faulty file is refused", func() bool { return strings.Contains(s.Output(), "reload refused") })
	if !logsIn(admin, adminPW) || !logsIn("deputy", "a deputy's") {
		t.Error("a faulty htpasswd file locked somebody out")
	}
	s.WriteFile("htpasswd", testbed.HTPasswd(t, admin, adminPW))
	s.Await("the deputy is gone", func() bool { return !logsIn("deputy", "a deputy's") })
	if !logsIn(admin, adminPW) {
		t.Error("the administrator is gone, too")
	}
}
