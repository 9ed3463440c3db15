package faults

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

const (
	service = "Docker registry"
	admin   = "admin"
	adminPW = "badmin"
	// patience is what docker's login client has for an answer.
	patience = 15 * time.Second
)

// direct turns the caches off, so that each login meets the directory, and the
// limits, so that a wrong password is answered as one however many came before.
const direct = `
cache: { lookup_ttl: 0s, credential_ttl: 0s }
limits: { login_failures_per_minute: 0 }
`

const policy = `
bindings:
  - { name: public, role: puller, subjects: [anonymous, authenticated], repositories: ["public/**"] }
`

// corp is the connectors section: an htpasswd file, and the directory at the
// URLs. More are further settings of the directory's connector.
func corp(directory *testbed.Slapd, urls []string, more ...string) string {
	quoted := make([]string, len(urls))
	for i, u := range urls {
		quoted[i] = strconv.Quote(u)
	}
	return fmt.Sprintf(`
connectors:
  - { name: local, type: htpasswd, file: htpasswd, match: "admin" }
  - name: corp
    type: ldap
    grace: 0s
    urls: [%s]
    bind_dn: %q
    bind_password: %q
    user: { base_dn: "ou=people,%[4]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid }
    groups: { mode: search, base_dn: "ou=groups,%[4]s", filter: "(member={dn})", name_attr: cn }
`, strings.Join(quoted, ", "), directory.BindDN, directory.BindPassword, directory.BaseDN) + settings(more)
}

func settings(more []string) string {
	var out strings.Builder
	for _, setting := range more {
		out.WriteString("    " + setting + "\n")
	}
	return out.String()
}

// world is a running server and a client of it.
type world struct {
	*testbed.Server
	t      *testing.T
	client *http.Client
}

// serve starts a server with the sections.
func serve(t *testing.T, sections ...string) *world {
	t.Helper()
	return serveWith(t, testbed.HTPasswd(t, admin, adminPW), sections...)
}

// serveWith is serve with another htpasswd file.
func serveWith(t *testing.T, htpasswd string, sections ...string) *world {
	t.Helper()
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: strings.Join(sections, "") + `
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
policy: { file: policy.yaml }
`,
		Files: map[string]string{"htpasswd": htpasswd, "policy.yaml": policy},
	})
	w := &world{Server: s, t: t, client: s.Client()}
	w.client.Timeout = 2 * patience
	w.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	return w
}

// answer is what came back for a login.
type answer struct {
	status     int // 0: no answer at all
	retryAfter string
	subject    string // of the token
	body       string
	took       time.Duration
}

// login asks for a token as docker does, or with the OAuth2 form. It may be
// called from any goroutine. Without a username it is anonymous.
func (w *world) login(username, password string, form bool) answer {
	fields := url.Values{"service": {service}, "scope": {"repository:public/app:pull"}}
	req, err := http.NewRequest(http.MethodGet, w.URL+"/token?"+fields.Encode(), http.NoBody)
	if form {
		fields.Set("grant_type", "password")
		fields.Set("client_id", "faults")
		fields.Set("username", username)
		fields.Set("password", password)
		req, err = http.NewRequest(http.MethodPost, w.URL+"/token", strings.NewReader(fields.Encode()))
	}
	if err != nil {
		return answer{body: err.Error()}
	}
	switch {
	case form:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case username != "":
		req.SetBasicAuth(username, password)
	}
	start := time.Now()
	resp, err := w.client.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, resp.Header.Get("Retry-After"), subjectOf(data), string(data), time.Since(start)}
}

// subjectOf reads the sub claim of an answer's token; empty where there is none.
// That signatures hold is tested elsewhere.
func subjectOf(body []byte) string {
	var token struct{ Token string }
	var claims struct{ Sub string }
	if json.Unmarshal(body, &token) != nil {
		return ""
	}
	parts := strings.Split(token.Token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Sub
}

// wrong says what no answer may be, whatever is broken; empty: nothing.
func (a answer) wrong(username string, rightPassword bool) string {
	switch {
	case a.took > patience:
		return "an answer that docker does not wait for"
	case a.status == http.StatusServiceUnavailable:
		wait, err := strconv.Atoi(a.retryAfter)
		if err != nil || wait < 1 {
			return "503 without Retry-After"
		}
		return ""
	case a.status == http.StatusOK && !rightPassword:
		return "a wrong password is let in"
	case a.status == http.StatusOK && a.subject != "corp/"+username:
		return "a token for somebody else"
	case a.status == http.StatusUnauthorized && rightPassword:
		return "a right password is refused"
	case a.status == http.StatusOK, a.status == http.StatusUnauthorized:
		return ""
	}
	return "neither a token, nor 401, nor 503"
}

// expect logs in both ways and wants the status.
func (w *world) expect(what, username, password string, right bool, status int) {
	w.t.Helper()
	for _, form := range []bool{false, true} {
		a := w.login(username, password, form)
		if fault := a.wrong(username, right); fault != "" || a.status != status {
			w.t.Errorf("%s: %s (form: %v) is answered %d after %s, want %d: %s\n%s", what, username, form, a.status, a.took, status, fault, a.body)
		}
	}
}

// healthy checks that everything works: right, wrong and unknown.
func (w *world) healthy(what string) {
	w.t.Helper()
	w.expect(what, "alice", testbed.SeedPassword("alice"), true, http.StatusOK)
	w.expect(what, "bob", "pw-wrong", false, http.StatusUnauthorized)
	w.expect(what, "nobody", "pw-wrong", false, http.StatusUnauthorized)
}

// recovers waits until a login is good again, and then wants everything to be.
func (w *world) recovers(what string) {
	w.t.Helper()
	w.Await("logins after: "+what, func() bool {
		a := w.login("carol", testbed.SeedPassword("carol"), false)
		if fault := a.wrong("carol", true); fault != "" {
			w.t.Errorf("after %s: %s: %d %s", what, fault, a.status, a.body)
		}
		return a.status == http.StatusOK
	})
	w.healthy("after " + what)
}

// local checks that the account of the htpasswd file does not notice.
func (w *world) local(what string) {
	w.t.Helper()
	if a := w.login(admin, adminPW, false); a.status != http.StatusOK || a.subject != "local/"+admin {
		w.t.Errorf("%s: the htpasswd account is answered %d: %s", what, a.status, a.body)
	}
	if !w.Ready() {
		w.t.Errorf("%s: the server is not ready", what)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
