package limits

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

const (
	service = "Docker registry"
	config  = `
registries: [{ service: "Docker registry", issuer: "Acme auth server", for: distribution-3 }]
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
policy: { file: policy.yaml }
`
	policy = `bindings:
  - { name: public, role: puller, subjects: [anonymous, authenticated], repositories: ["public/**"] }
  - { name: all, role: maintainer, subjects: ["user:local/admin"], repositories: ["**"] }
  - { name: admins, role: policy-admin, subjects: ["user:local/admin"] }
`
)

// world is a running server.
type world struct {
	t *testing.T
	*testbed.Server
}

// start runs a server with further settings. admin may everything, other nothing.
func start(t *testing.T, settings string) *world {
	t.Helper()
	return startWith(t, settings, testbed.HTPasswd(t, "admin", "badmin", "other", "bother"))
}

func startWith(t *testing.T, settings, htpasswd string, env ...string) *world {
	t.Helper()
	return &world{t, testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: config + settings, Files: map[string]string{"htpasswd": htpasswd, "policy.yaml": policy}, Env: env,
	})}
}

// query is a token request of nobody, good for 200.
const query = "/token?service=Docker%20registry&scope=repository:public/a:pull"

// request is one that admin makes, unless header says otherwise.
type request struct {
	method, path string
	body         io.Reader
	form         bool
	user         string // with the password of the server's file; "-" is nobody
	password     string
	header       map[string]string
}

// got is what came back.
type got struct {
	status int
	header http.Header
	body   string
}

func (w *world) send(r request) got {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), r.method, w.URL+r.path, r.body)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.form {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case r.user == "":
		req.SetBasicAuth("admin", "badmin")
	case r.user != "-":
		req.SetBasicAuth(r.user, r.password)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := w.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return got{resp.StatusCode, resp.Header, string(body)}
}

// The shapes of errors.
const (
	registryShape = `{"errors":[{"code":"`
	oauthShape    = `{"error":"`
	problemShape  = "application/problem+json"
	page          = "<!doctype html>"
)

// refuses checks an answer, its shape and what it says, and that somebody else is
// answered at once.
func (w *world) refuses(r request, status int, shape, says string) {
	w.t.Helper()
	is := w.send(r)
	whole := is.header.Get("Content-Type") + " " + strings.ToLower(is.body)
	if is.status != status || !strings.Contains(whole, strings.ToLower(shape)) || !strings.Contains(whole, strings.ToLower(says)) {
		w.t.Errorf("%s %.60s: %d %s %.300q, want %d in the shape %q, saying %q", r.method, r.path, is.status, is.header.Get("Content-Type"), is.body, status, shape, says)
	}
	if wait := is.header.Get("Retry-After"); (wait != "" && wait != "0") != (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		w.t.Errorf("%s %.60s: %d with Retry-After %q", r.method, r.path, is.status, wait)
	}
}

// serves checks that others are answered.
func (w *world) serves() {
	w.t.Helper()
	if is := w.Token("", "", "repository:public/a:pull"); is.Status != http.StatusOK || is.Scope == "" {
		w.t.Errorf("somebody else is answered %d %s", is.Status, is.Body)
	}
}

// dial opens a connection to the server, without TLS on it yet if bare.
func (w *world) dial() *tls.Conn {
	w.t.Helper()
	transport := w.Client().Transport.(*http.Transport)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(w.URL, "https://"), transport.TLSClientConfig)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}
