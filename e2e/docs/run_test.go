package docs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// shell is a bash in a folder, with the built drawbridge and the tools in PATH.
type shell struct {
	t   *testing.T
	dir string
	env []string
}

// inRepository returns a shell in a fresh copy of the repository, as after a clone.
func inRepository(t *testing.T) *shell {
	t.Helper()
	return newShell(t, testbed.Checkout(t))
}

func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	bin := t.TempDir()
	tools := filepath.Dir(testbed.Tool(t, "crane"))
	// The README calls the registry by the name that its own image uses.
	for name, program := range map[string]string{"drawbridge": testbed.PlainProgram(t), "registry": testbed.Tool(t, "registry-3.1.1")} {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	docker := testbed.NewDocker(t)
	return &shell{t: t, dir: dir, env: append(os.Environ(),
		"PATH="+bin+":"+tools+":"+os.Getenv("PATH"), "OTEL_TRACES_EXPORTER=none", "DOCKER_CONFIG="+docker.Config())}
}

func (s *shell) command(script string) *exec.Cmd {
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = s.dir, s.env
	// A group of its own, so that all of it can be ended together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs a script that has to succeed and returns what it printed.
func (s *shell) run(script string) string {
	s.t.Helper()
	out, err := s.command(script).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return string(out)
}

// fail runs a script that has to end with the exit code.
func (s *shell) fail(code int, script string) string {
	s.t.Helper()
	cmd := s.command(script)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("%s\nexit code %d, want %d\n%s", script, got, code, out)
	}
	return string(out)
}

// background runs a script until the test ends and returns what it prints.
func (s *shell) background(script string) *printed {
	s.t.Helper()
	cmd, p := s.command(script), &printed{}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	})
	return p
}

type printed struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

// find waits for a text and returns its first group.
func (p *printed) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for range 600 {
		p.mu.Lock()
		m := re.FindStringSubmatch(p.buf.String())
		p.mu.Unlock()
		if m != nil {
			return m[len(m)-1]
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%q was never printed:\n%s", pattern, p.buf.String())
	return ""
}

// answers waits until a server answers at the URL.
func answers(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // only whether it is there
	}}
	defer client.CloseIdleConnections()
	for range 600 {
		if resp, err := client.Get(url); err == nil {
			_ = resp.Body.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nothing answers at %s", url)
}

func TestDemo(t *testing.T) {
	testbed.HoldPorts(t, 5000, 5001, 5002)
	s := inRepository(t)
	// The tools are built once for all copies.
	if err := os.Symlink(filepath.Join(testbed.Root(t), ".tools"), filepath.Join(s.dir, ".tools")); err != nil {
		t.Fatal(err)
	}
	out := s.run("git init -q . && " + one(t, "demo"))
	for _, want := range []string{"logged in", "localhost:5000/demo/hello:1: digest", "401 Unauthorized", "no_grant", "It works."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// The registry of one's own: the three blocks in their order, in an empty folder.
func TestOwnRegistry(t *testing.T) {
	testbed.HoldPorts(t, 5000, 5001, 5002)
	s := newShell(t, t.TempDir())
	serve := s.background(one(t, "own-serve"))
	password := serve.find(t, `password  (\S+)\n`)
	serve.find(t, `"msg":"ready"`)
	if got := s.run(one(t, "well-known")); !strings.Contains(got, "BEGIN CERTIFICATE") {
		t.Errorf("the trust anchor: %s", got)
	}
	s.background(one(t, "own-registry"))
	answers(t, "http://localhost:5000/v2/")
	if out := s.login(strings.TrimSpace(one(t, "own-login")), password); !strings.Contains(out, "Login Succeeded") {
		t.Errorf("docker login: %s", out)
	}
	if out := s.login(strings.TrimSpace(one(t, "own-login")), "wrong"); !strings.Contains(out, "unauthorized: The username or the password is wrong") {
		t.Errorf("docker login with a wrong password: %s", out)
	}
}

// The policy in the store, by API and by command, beside the server of the embedded
// default.
func TestPolicyInTheStore(t *testing.T) {
	testbed.HoldPorts(t, 5001, 5002)
	s := newShell(t, t.TempDir())
	serve := s.background("drawbridge serve")
	s.env = append(s.env, "PASSWORD="+serve.find(t, `password  (\S+)\n`))
	serve.find(t, `"msg":"ready"`)

	var script strings.Builder
	for _, b := range named(t, "api") {
		script.WriteString(b.text + "\n")
	}
	out := s.run(script.String())
	for _, want := range []string{
		`"capabilities":["read-audit","write-policy"]`, `"subject":"user:local/admin"`, `"verdict":"no_grant"`,
		`+  - name: payments-developers`, `"number":2,`, `"event.action":"admin_sign_in"`, `"unknown_groups":[`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the API does not answer %s:\n%s", want, out)
		}
	}
	out = s.run(one(t, "policy-change"))
	for _, want := range []string{`+  - { name: docs`, "r3 is in force", "r4 is in force", "JIRA-123: the manual is public"} {
		if !strings.Contains(out, want) {
			t.Errorf("the commands do not print %q:\n%s", want, out)
		}
	}
	serve.find(t, `"event.action":"policy_loaded".*"drawbridge.policy_revision":"r4"`)
	out = s.run(one(t, "commands-server"))
	for _, want := range []string{"JIRA-123: the manual is public", "user:local/admin", "write-policy", "payments-deploy", "SESSION", "signing"} {
		if !strings.Contains(out, want) {
			t.Errorf("the commands at a server do not print %q:\n%s", want, out)
		}
	}
}

// login runs a command that asks for a password on a terminal.
func (s *shell) login(command, password string) string {
	s.t.Helper()
	out, _ := s.prompted(command, password) // what it printed says how it ended
	return out
}

// prompted runs a script on a terminal and types the passwords that it asks for.
func (s *shell) prompted(script string, passwords ...string) (string, error) {
	s.t.Helper()
	s.env = append(s.env, "SCRIPT="+script)
	cmd, out := s.command("script -qec 'bash -euo pipefail -c \"$SCRIPT\"' /dev/null"), &printed{}
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for i, password := range passwords {
		out.find(s.t, fmt.Sprintf(`(?s)(assword: .*){%d}`, i+1))
		_, _ = fmt.Fprintln(stdin, password)
	}
	err = cmd.Wait()
	return out.buf.String(), err
}

// The example: checked, and then really started.
func TestExample(t *testing.T) {
	testbed.HoldPorts(t, 5001, 5002)
	s := inRepository(t)
	check, serve, _ := strings.Cut(strings.TrimSpace(one(t, "check-example")), "\n")
	if out := s.run(check); !strings.Contains(out, "is fine") {
		t.Errorf("%s: %s", check, out)
	}
	s.background(serve)
	answers(t, "https://localhost:5001/token")
}

func TestPolicyCommands(t *testing.T) {
	t.Parallel()
	s := inRepository(t)
	if out := s.run(one(t, "policy-check")); !strings.Contains(out, "1 passed, 0 failed") {
		t.Error(out)
	}
	for i, b := range named(t, "policy") {
		file := filepath.Join(s.dir, fmt.Sprintf("shown-%d.yaml", i))
		if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := s.run("drawbridge policy test " + file); !strings.Contains(out, "0 failed") {
			t.Errorf("%s:%d: %s", b.file, b.line, out)
		}
	}
	s.fail(1, one(t, "explain-policy"))

	// The README shows what explain prints.
	shown := s.fail(1, one(t, "explain"))
	readme, _ := blocks(t, filepath.Join(testbed.Root(t), "README.md"))
	found := false
	for _, b := range readme {
		found = found || b.lang == "text" && b.text == shown
	}
	if !found {
		t.Errorf("the README does not show this:\n%s", shown)
	}
}

func TestRegistryConfigCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	if out := s.run(one(t, "registry-config")); strings.Count(out, "Docker registry") != 3 {
		t.Error(out)
	}
}

func TestDropIn(t *testing.T) {
	t.Parallel()
	s := inRepository(t)
	if out := s.run(one(t, "drop-in")); !strings.Contains(out, "is fine") {
		t.Error(out)
	}
}

// Connectors that are shown without the rest are parts of a configuration that
// passes the check. The secrets they name are given another way, which wins.
func TestConnectorExamples(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	s.write("htpasswd", "")
	const bindPassword, clientSecret = "DRAWBRIDGE_CONNECTORS_0_BIND_PASSWORD=x ", "DRAWBRIDGE_CONNECTORS_0_CLIENT_SECRET=x "
	for name, secret := range map[string]string{
		"ldap-domain": bindPassword, "htpasswd-fallback": bindPassword, "oidc-overage": clientSecret,
	} {
		text := strings.ReplaceAll(one(t, name), "/etc/drawbridge/", "") + "registries:\n  - { service: S, issuer: I }\n"
		s.write(name+".yaml", text)
		s.run(secret + "drawbridge config check " + name + ".yaml")
	}
}

// docs/connectors.md: the page shows what login-test prints.
func TestLoginTestCommands(t *testing.T) {
	t.Parallel()
	s := inRepository(t)
	shown := s.run(one(t, "login-test"))
	page, _ := blocks(t, filepath.Join(testbed.Root(t), "docs", "connectors.md"))
	found := false
	for _, b := range page {
		found = found || b.lang == "text" && b.text == shown
	}
	if !found {
		t.Errorf("docs/connectors.md does not show this:\n%s", shown)
	}
	command := one(t, "login-test-password")
	s.env = append(s.env, "PASSWORD=badmin")
	if out := s.run(command); !strings.Contains(out, "login  granted  local  local/admin") {
		t.Error(out)
	}
	s.env = append(s.env, "PASSWORD=wrong")
	if out := s.fail(1, command); !strings.Contains(out, "login  denied  local  wrong_password") {
		t.Error(out)
	}
}

// docs/connectors.md: the command needs the store that the server uses, and no
// server that runs.
func TestUserForgetCommand(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	s.write("htpasswd", "")
	s.write("drawbridge.yaml", "data_dir: data\nregistries: [ { service: S, issuer: I } ]\nconnectors: [ { name: corp, type: htpasswd, file: htpasswd } ]\n")
	command := strings.ReplaceAll(one(t, "user-forget"), "/etc/", "")
	if out := s.fail(2, command); !strings.Contains(out, "data_dir data does not exist") {
		t.Error(out)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out := s.run(command); !strings.Contains(out, "forgotten: corp/alice") {
		t.Error(out)
	}
}

// docs/configuration.md: the check of a file with a fault prints it, by its line.
func TestConfigCheckCommand(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	command := strings.ReplaceAll(one(t, "config-check"), "/etc/drawbridge.yaml", "drawbridge.yaml")
	if err := os.WriteFile(filepath.Join(s.dir, "drawbridge.yaml"), []byte("server:\n  adr: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := s.fail(1, command); !strings.Contains(out, "drawbridge.yaml:2: server.adr") {
		t.Error(out)
	}
}

// The README's use of the compose stack, and the tour of docs/compose.md: the
// blocks of each page in their order, on one stack.
func TestCompose(t *testing.T) {
	stack := testbed.NewStack(t)
	s := newShell(t, stack.Dir)
	s.env = append(s.env, "DOCKER_CONFIG="+stack.Config(), "COMPOSE_PROJECT_NAME="+stack.Project)
	t.Cleanup(func() {
		for _, image := range []string{"team/hello", "other/hello", "team/app"} {
			_, _ = stack.Run("rmi", "--force", "localhost:5000/"+image+":1", "localhost:5443/"+image+":1")
		}
	})
	for _, page := range []string{"README.md", "docs/compose.md"} {
		all, _ := blocks(t, filepath.Join(testbed.Root(t), page))
		for _, b := range all {
			switch b.run {
			case "compose", "compose-tour", "compose-down":
				s.run(b.text)
			case "compose-gateway":
				// It holds within a second, and nobody types that fast.
				refused := func(out string) bool { return strings.Contains(out, "this token was revoked") }
				out := s.run(b.text)
				for deadline := time.Now().Add(10 * time.Second); !refused(out) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
					out = s.run(b.text)
				}
				if !refused(out) || !strings.Contains(out, `{"name":"team/app","tags":["1"]}`) {
					t.Errorf("%s:%d: want a refusal of the gateway and an answer of the registry:\n%s", b.file, b.line, out)
				}
			case "compose-denied":
				out := s.fail(1, b.text)
				for _, want := range []string{"denied: No rule of the policy grants", "Ask a registry admin and quote decision"} {
					if !strings.Contains(out, want) {
						t.Errorf("%s:%d: the refused push does not say %q:\n%s", b.file, b.line, want, out)
					}
				}
			}
		}
	}
}

// docs/sessions.md: the commands work on the store of the servers.
func TestSessionCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	config := "data_dir: data\nregistries: [ { service: S, issuer: I } ]\nconnectors: [ { name: corp, type: htpasswd, file: htpasswd } ]\n"
	for name, text := range map[string]string{"drawbridge.yaml": config, "htpasswd": ""} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.run("mkdir data")
	if out := s.run(strings.ReplaceAll(one(t, "session-list"), "/etc/", "")); !strings.HasPrefix(out, "SESSION") {
		t.Error(out)
	}
	if out := s.run(strings.ReplaceAll(one(t, "session-revoke"), "/etc/", "")); !strings.Contains(out, "everything that corp/alice held is refused") {
		t.Error(out)
	}
}
