package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// loggedServer has a directory, a proxy on this machine and the log settings.
func loggedServer(t *testing.T, directory *testbed.Slapd, log string) *testbed.Server {
	t.Helper()
	return directoryServer(t, directory, "server: { trusted_proxies: [\"127.0.0.0/8\"] }\n"+log)
}

// directoryServer has a directory and the further settings.
func directoryServer(t *testing.T, directory *testbed.Slapd, settings string) *testbed.Server {
	t.Helper()
	return testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: fmt.Sprintf(`
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
policy: { file: policy.yaml }
connectors:
  - { name: local, type: htpasswd, file: htpasswd, match: "local-*" }
  - name: corp
    type: ldap
    urls: [%q]
    bind_dn: %q
    bind_password: %q
    user: { base_dn: "ou=people,%[4]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid }
    groups: { mode: search, base_dn: "ou=groups,%[4]s", filter: "(member={dn})", name_attr: cn }
`, directory.URL(), directory.BindDN, directory.BindPassword, directory.BaseDN) + settings,
		Files: map[string]string{"htpasswd": testbed.HTPasswd(t, "local-admin", "badmin-secret"), "policy.yaml": policy},
	})
}

// ask sends a request under an ID that the proxy has given it, and returns the ID of
// the answer.
func ask(t *testing.T, s *testbed.Server, r *http.Request, id string) string {
	t.Helper()
	r.Header.Set("X-Request-Id", id)
	client := s.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("X-Request-Id")
}

func request(t *testing.T, method, target string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// One ID goes through the answer, the log and the audit log, and a caller's own does
// not when it could end a line.
func TestRequestIDsEverywhere(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := loggedServer(t, directory, "log: { level: debug }\n")
	directory.Kill()
	login := request(t, http.MethodGet, s.URL+"/token?scope=repository:a/b:pull", nil)
	login.SetBasicAuth("alice", testbed.SeedPassword("alice"))
	if got := ask(t, s, login, "proxy-42"); got != "proxy-42" {
		t.Errorf("the answer has the ID %q", got)
	}
	s.AwaitAudit("the login", func(e audit.Event) bool { return e.RequestID == "proxy-42" && e.Action == audit.Login })
	s.Await("the log lines", func() bool { return len(linesOf(t, s, "proxy-42")) >= 2 })
	seen := strings.Join(linesOf(t, s, "proxy-42"), "\n")
	for _, want := range []string{"a connector is unavailable", `"msg":"request","method":"GET","path":"/token","status":503`} {
		if !strings.Contains(seen, want) {
			t.Errorf("no line says %q:\n%s", want, seen)
		}
	}
	if got := ask(t, s, request(t, http.MethodGet, s.URL+"/token", nil), `x","level":"ERROR`); got == "" || strings.Contains(got, "ERROR") {
		t.Errorf("the answer has the ID %q", got)
	}
	// Whatever was logged between the start and the end was about a request, and says
	// about which.
	for line := range strings.Lines(s.Output()) {
		if strings.Contains(line, `"msg":"request"`) && !strings.Contains(line, `"request_id":"`) {
			t.Errorf("without an ID: %s", line)
		}
	}
}

// linesOf returns the log lines of a request. A line that is no JSON fails the test.
func linesOf(t *testing.T, s *testbed.Server, id string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(s.Output()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if fields["request_id"] == id {
			lines = append(lines, line)
		}
	}
	return lines
}

// No secret reaches the log at level debug, in either format, whichever way it came
// and whether it was right, wrong or could not be checked.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			directory := testbed.StartSlapd(t)
			s := loggedServer(t, directory, "log: { level: debug, format: "+format+" }\n")
			alice := testbed.SeedPassword("alice")
			got := s.Ask(testbed.TokenRequest{User: "alice", Password: alice, Scopes: []string{"repository:payments/api:push"}, Form: true, Offline: true})
			if got.RefreshToken == "" || got.Scope == "" {
				t.Fatalf("alice: %+v", got)
			}
			s.Token("local-admin", "badmin-secret")
			s.Token("alice", "wrong-secret")
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}}
			s.Do(request(t, http.MethodPost, s.URL+"/token", form))
			form.Set("refresh_token", got.RefreshToken+"x-secret")
			s.Do(request(t, http.MethodPost, s.URL+"/token", form))
			ask(t, s, request(t, http.MethodGet, s.URL+"/token?password=query-secret&refresh_token="+got.RefreshToken, nil), "")
			revoke := request(t, http.MethodPost, s.URL+"/oauth2/revoke", url.Values{"token": {got.Token}})
			revoke.SetBasicAuth("local-admin", "badmin-secret")
			ask(t, s, revoke, "")
			directory.Kill()
			s.Token("bob", "outage-secret")
			s.Await("the requests are logged", func() bool { return strings.Count(s.Output(), "path") >= 8 })
			out := s.Output()
			for _, secret := range []string{alice, "badmin-secret", "wrong-secret", "outage-secret", "query-secret", got.RefreshToken, got.Token, directory.BindPassword, "x-secret"} {
				if strings.Contains(out, secret) {
					t.Errorf("%q is in the log", secret)
				}
			}
			shape := `level=DEBUG msg=request`
			if format == "json" {
				shape = `"level":"DEBUG","msg":"request"`
			}
			if !strings.Contains(out, shape) {
				t.Errorf("no line has %s", shape)
			}
		})
	}
}

// Lines below the level are not written.
func TestLogSettings(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := loggedServer(t, directory, testbed.Shown(t, "monitoring.md", "log-settings"))
	s.Token("local-admin", "badmin-secret")
	if out := s.Output(); strings.Contains(out, `"level":"DEBUG"`) || !strings.Contains(out, `"level":"INFO"`) {
		t.Errorf("level info logs\n%s", out)
	}
}
