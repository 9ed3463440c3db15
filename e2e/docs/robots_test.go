package docs

import (
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// docs/robots.md: the life of a robot, beside a running server and a registry that
// trusts it.
func TestRobotCommands(t *testing.T) {
	t.Parallel()
	server := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: `
registries: [{ service: S, issuer: I }]
connectors: [{ name: corp, type: htpasswd, file: htpasswd }]
policy: { file: policy.yaml }
`,
		Files: map[string]string{"htpasswd": testbed.HTPasswd(t, "admin", "badmin"), "policy.yaml": "bindings: []\n"},
	})
	registry := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{
		Realm: server.URL + "/token", Service: "S", Issuer: "I", RootCertBundle: server.TrustFile,
	})
	host := "localhost" + registry.Addr[strings.LastIndexByte(registry.Addr, ':'):]
	s := newShell(t, server.Dir)
	s.env = append(s.env, "DRAWBRIDGE_CONFIG=drawbridge.yaml")
	login := strings.ReplaceAll(one(t, "robot-login"), "localhost:5000", host)

	made := s.run(one(t, "robot-create"))
	hint := strings.ReplaceAll(strings.TrimSpace(login), host+" < payments-ci.secret", "REGISTRY")
	if !strings.Contains(made, hint+"\n") || strings.Contains(made, "dbrobot_") {
		t.Errorf("robot create does not print %q:\n%s", hint, made)
	}
	loggedIn := func() bool { return strings.Contains(s.try(login), "Login Succeeded") }
	server.Await("docker login", loggedIn)
	if out := s.run(one(t, "robot-test")); !strings.Contains(out, "granted") || !strings.Contains(out, "only from 127.0.0.0/8 10.20.0.0/16") {
		t.Error(out)
	}
	s.run(one(t, "robot-rotate"))
	server.Await("docker login with the new secret", loggedIn)
	list := s.run(one(t, "robot-list"))
	page, _ := blocks(t, filepath.Join(testbed.Root(t), "docs", "robots.md"))
	if head, _, _ := strings.Cut(list, "\n"); !shows(page, strings.Fields(head)) || !strings.Contains(list, " 2        active") {
		t.Errorf("the page does not show such a list:\n%s", list)
	}
	s.run(one(t, "robot-stop"))
	server.Await("docker login is refused", func() bool { return !loggedIn() })
}

// shows reports whether a text block begins with a line of these words.
func shows(page []block, words []string) bool {
	for _, b := range page {
		head, _, _ := strings.Cut(b.text, "\n")
		if b.lang == "text" && strings.Join(strings.Fields(head), " ") == strings.Join(words, " ") {
			return true
		}
	}
	return false
}

// try runs a script that may fail and returns what it printed.
func (s *shell) try(script string) string {
	s.t.Helper()
	out, _ := s.command(script).CombinedOutput() // what it printed says how it ended
	return string(out)
}
