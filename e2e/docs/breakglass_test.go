package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// docs/breakglass.md from arming to the end, beside a running server.
func TestBreakGlassCommands(t *testing.T) {
	t.Parallel()
	server := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: `
registries: [{ service: S, issuer: I }]
connectors: [{ name: corp, type: htpasswd, file: htpasswd }]
`,
		Files: map[string]string{"htpasswd": testbed.HTPasswd(t, "alice", "wonderland"), "policy.yaml": "bindings: []\n"},
	})
	s := newShell(t, server.Dir)
	s.env = append(s.env, "DRAWBRIDGE_CONFIG=drawbridge.yaml")
	s.run("drawbridge policy apply policy.yaml --reason test")

	armed := s.run(one(t, "breakglass-arm"))
	password := regexp.MustCompile(`(?m)^password: +(dbglass_\S+)$`).FindStringSubmatch(armed)
	if password == nil {
		t.Fatalf("no password:\n%s", armed)
	}
	page, _ := blocks(t, filepath.Join(testbed.Root(t), "docs", "breakglass.md"))
	if head, _, _ := strings.Cut(armed, "\n"); !shows(page, strings.Fields(head)) {
		t.Errorf("the page does not show this:\n%s", armed)
	}
	s.env = append(s.env, "PASSWORD="+password[1])
	use := strings.ReplaceAll(one(t, "breakglass-use"), "https://localhost:5001", server.URL)
	server.Await("break-glass is in force", func() bool {
		return server.Metrics()["drawbridge_break_glass_armed"] == 1
	})
	if out := s.run(use); !strings.Contains(out, "breakglass/breakglass") || !strings.Contains(out, "write-policy") {
		t.Errorf("who it is:\n%s", out)
	}
	server.Await("the role is changed", func() bool {
		return server.Token("alice", "wonderland", "repository:release/x:push").Scope != ""
	})
	if out := s.run(one(t, "breakglass-end")); !strings.Contains(out, "break-glass is armed") || !strings.Contains(out, "break-glass is not armed") {
		t.Errorf("the end:\n%s", out)
	}
	if out := s.try(use); strings.Contains(out, "write-policy") {
		t.Errorf("it goes on after its end:\n%s", out)
	}
}
