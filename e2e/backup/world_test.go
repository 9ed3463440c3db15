package backup

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

const (
	service = "Docker registry"
	issuer  = "Acme auth server"
	keyed   = "jwks.example.com" // a service with a static key
	scope   = "repository:payments/api:pull,push"
	phrase  = "a passphrase of some length"

	// A key pair of age, which takes less time than a passphrase is meant to take.
	recipient = "age1ndwj0udkuyv4470r4u9zs2urkvunyvkk86p42ygrw2aq7fwzc34qt9aqtu"
	identity  = "AGE-SECRET-KEY-1KJ45T8EJCJVH862TK36ALYYVTS33MR8ZXYZF43MG5FAFJ9XFADZSNQYWHZ" // #nosec G101 -- of these tests alone
)

const policy = `bindings:
  - { name: payments, role: pusher, subjects: ["user:local/alice", "robot:ci", "robot:gone"], repositories: ["payments/**"] }
`

// config is a server's, with this store.url.
func config(storeURL string) string {
	return fmt.Sprintf(`
registries:
  - { service: %q, issuer: %q, for: distribution-3 }
  - { service: %q, issuer: %[2]q, for: distribution-3-jwks }
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
tokens: { access_ttl: 50m }
store: { url: %[4]q }
`, service, issuer, keyed, storeURL)
}

// world is a server with something of everything, and what was handed out before the
// backup.
type world struct {
	*testbed.Server
	t     *testing.T
	users string

	access, static, revokedAccess string // tokens
	refresh, revokedRefresh       string
	robot, goneRobot, stopped     string // secrets
	history                       string
}

func start(t *testing.T, storeURL string) *world {
	t.Helper()
	w := &world{t: t, users: testbed.HTPasswd(t, "alice", "secret-of-alice", "bob", "secret-of-bob")}
	w.Server = testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: config(storeURL), Files: map[string]string{"htpasswd": w.users, "policy.yaml": policy},
	})
	w.run("policy", "apply", "policy.yaml", "--reason", "JIRA-123")
	w.Await("the policy is in force", func() bool { return w.Ask(ask("alice")).Scope != "" })
	w.robot = strings.TrimSpace(w.run("robot", "create", "ci", "--owner", "local/leads"))
	w.goneRobot = strings.TrimSpace(w.run("robot", "create", "gone", "--owner", "local/leads"))
	w.stopped = strings.TrimSpace(w.run("robot", "create", "stopped", "--owner", "local/leads"))
	w.run("robot", "delete", "gone")
	w.run("robot", "disable", "stopped")

	w.access = w.Ask(ask("alice")).Token
	w.static = w.Ask(testbed.TokenRequest{Service: keyed, User: "alice", Password: "secret-of-alice", Scopes: []string{scope}}).Token
	w.revokedAccess = w.Ask(ask("alice")).Token
	w.run("token", "revoke", claim(t, w.revokedAccess, "jti"))
	w.refresh, w.revokedRefresh = w.lasting(), w.lasting()
	w.run("session", "revoke", claim(t, w.use(w.revokedRefresh).Token, "sid"))
	w.Await("the session has ended", func() bool { return w.use(w.revokedRefresh).Status == http.StatusUnauthorized })
	w.history = w.run("policy", "history", "-o", "json")
	return w
}

// ask is a request of somebody for the scope.
func ask(user string) testbed.TokenRequest {
	return testbed.TokenRequest{Service: service, User: user, Password: "secret-of-" + user, Scopes: []string{scope}}
}

// lasting logs alice in as docker does and returns the refresh token.
func (w *world) lasting() string {
	w.t.Helper()
	req := ask("alice")
	req.Form, req.Offline = true, true
	answer := w.Ask(req)
	if answer.RefreshToken == "" {
		w.t.Fatalf("login: status %d: %s", answer.Status, answer.Body)
	}
	return answer.RefreshToken
}

// use shows a refresh token.
func (w *world) use(token string) testbed.TokenAnswer {
	w.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"testbed"}, "service": {service}, "scope": {scope}}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.Do(req)
}

// bearer asks a URL with a token.
func bearer(t *testing.T, client *http.Client, target, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// robotStatus logs a robot in.
func (w *world) robotStatus(name, secret string) int {
	w.t.Helper()
	return w.Ask(testbed.TokenRequest{Service: service, User: "robot." + name, Password: secret, Scopes: []string{scope}}).Status
}

// run runs a command where the server runs; it has to succeed.
func (w *world) run(args ...string) string {
	w.t.Helper()
	return must(w.t, w.Dir, args...)
}

func must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := testbed.RunDrawbridge(t, dir, "", append(args, "--config", "drawbridge.yaml")...)
	if c.Code != 0 {
		t.Fatalf("drawbridge %q: exit code %d\n%s%s", args, c.Code, c.Stdout, c.Stderr)
	}
	return c.Stdout
}

// refused runs a command that has to end with 1 and to say why.
func refused(t *testing.T, dir, want string, args ...string) {
	t.Helper()
	c := testbed.RunDrawbridge(t, dir, "", append(args, "--config", "drawbridge.yaml")...)
	if c.Code != 1 || !strings.Contains(c.Stderr, want) {
		t.Errorf("drawbridge %q: exit code %d, want 1 and %q\n%s%s", args, c.Code, want, c.Stdout, c.Stderr)
	}
	if strings.Contains(c.Stdout+c.Stderr, phrase) {
		t.Error("the passphrase is printed")
	}
}

// claim reads one claim of a token.
func claim(t *testing.T, token, name string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	claims := map[string]any{}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		t.Fatalf("no token: %v", err)
	}
	return fmt.Sprint(claims[name])
}

// place makes a folder with a configuration, for commands, and returns it.
func place(t *testing.T, storeURL string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"drawbridge.yaml": config(storeURL), "htpasswd": "", "phrase": phrase, "identity.txt": identity} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// left returns the names in the data_dir of a folder.
func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "data"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
