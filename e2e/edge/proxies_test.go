package edge

import (
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// front is a proxy by the page's configuration for it, before the server at addr, with
// a certificate for localhost in dir.
type front struct {
	name  string
	start func(t *testing.T, addr, dir string) *testbed.Gateway
}

func fronts() []front {
	nginx := func(oldnew ...string) func(*testing.T, string, string) *testbed.Gateway {
		return func(t *testing.T, server, dir string) *testbed.Gateway {
			return testbed.StartNginx(t, func(addr, _ string) string {
				changes := append([]string{"443", addr, "/etc/nginx", dir}, oldnew...)
				for i := range changes {
					if changes[i] == "STRIPPED" {
						changes[i] = strings.TrimSpace(testbed.Shown(t, "proxies.md", "proxy-nginx-strip"))
					}
				}
				return strings.ReplaceAll(testbed.Shown(t, "proxies.md", "proxy-nginx", changes...), "127.0.0.1:5001", server)
			})
		}
	}
	return []front{
		{"nginx leaves the path", nginx()},
		{"nginx takes it off", nginx("proxy_pass http://127.0.0.1:5001;", "STRIPPED")},
		{"caddy", func(t *testing.T, server, dir string) *testbed.Gateway {
			return testbed.StartCaddy(t, func(addr, _ string) string {
				port := addr[strings.LastIndexByte(addr, ':'):]
				return testbed.Shown(t, "proxies.md", "proxy-caddy", "example.com", "localhost"+port, "/etc/caddy", dir, "127.0.0.1:5001", server)
			})
		}},
		{"haproxy", func(t *testing.T, server, dir string) *testbed.Gateway {
			return testbed.StartHAProxy(t, func(addr, _ string) string {
				return testbed.Shown(t, "proxies.md", "proxy-haproxy", "bind :443", "bind "+addr, "/etc/haproxy", dir, "127.0.0.1:5001", server)
			})
		}},
	}
}

// behind is a browser, or a registry's client, that comes through a proxy.
type behind struct {
	t      *testing.T
	client *http.Client
	base   string // https://localhost:PORT/drawbridge
}

// got is an answer, and where redirects have led.
type got struct {
	status int
	header http.Header
	path   string
	text   string
}

func (b *behind) send(method, path string, form url.Values, headers ...string) got {
	b.t.Helper()
	target := path
	if !strings.HasPrefix(path, "https://") {
		target = b.base + path
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if strings.HasPrefix(path, "/token") || strings.HasPrefix(path, "/api") {
		r.SetBasicAuth("admin", "badmin")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return got{resp.StatusCode, resp.Header, resp.Request.URL.Path, string(text)}
}

// Behind each proxy of the page everything works below the path: tokens, keys, the
// gateways' endpoint, the API and the console; the client's address arrives, one that
// the client makes up does not, and neither does its request ID.
func TestBelowAPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := exec.CommandContext(t.Context(), "bash", "-euc", `openssl req -newkey rsa:2048 -nodes -x509 -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt
cat tls.crt tls.key >tls.pem`)
	made.Dir = dir
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := testbed.Shown(t, "proxies.md", "proxy-config", "example.com", "localhost")
	given := files()
	given["policy.yaml"] += "  - { name: admins, role: policy-admin, subjects: [\"user:local/admin\"] }\n"
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: text + config, Files: given, Env: []string{"DRAWBRIDGE_SERVER_EXTERNAL_URL=https://localhost/drawbridge"},
	})
	for _, f := range fronts() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			g := f.start(t, strings.Replace(strings.TrimPrefix(s.URL, "http://"), "localhost", "127.0.0.1", 1), dir)
			jar, _ := cookiejar.New(nil)                                                         // it has no way to fail
			transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a certificate made above
			t.Cleanup(transport.CloseIdleConnections)
			b := &behind{t: t, client: &http.Client{Transport: transport, Jar: jar}, base: "https://" + g.Host + "/drawbridge"}
			b.protocol(s)
			b.console()
			b.commands(dir)
		})
	}
}

// protocol is what registries, their clients and gateways ask.
func (b *behind) protocol(s *testbed.Server) {
	b.t.Helper()
	const scope = "/token?service=Docker%20registry&scope=repository:public/a:pull"
	token := b.send(http.MethodGet, scope, nil, "X-Forwarded-For", "198.51.100.7", "X-Request-Id", "forged")
	id := token.header.Get("X-Request-Id")
	if token.status != http.StatusOK || id == "" || id == "forged" {
		b.t.Fatalf("a token: %d with ID %q: %s", token.status, id, token.text)
	}
	e := s.AwaitAudit("the login", func(e audit.Event) bool { return e.RequestID == id })
	if e.SourceIP != "127.0.0.1" {
		b.t.Errorf("the audit log has the address %q", e.SourceIP)
	}
	for path, want := range map[string]got{
		"/.well-known/jwks.json": {status: 200, text: `"keys"`}, "/.well-known/signing-ca.pem": {status: 200, text: "BEGIN CERTIFICATE"},
		"/api/v1/me": {status: 200, text: `"name":"local/admin"`}, "/api/openapi.json": {status: 200, text: `"url":"https://localhost/drawbridge"`},
		"/verify": {status: 200}, "/nowhere": {status: 404},
	} {
		if is := b.send(http.MethodGet, path, nil, "X-Drawbridge-Service", "Docker registry"); is.status != want.status || !strings.Contains(is.text, want.text) {
			b.t.Errorf("%s: %d %s", path, is.status, is.text)
		}
	}
	refused := b.send(http.MethodGet, "/verify", nil, "X-Drawbridge-Service", "Docker registry", "Authorization", "Bearer x")
	if challenge := refused.header.Get("WWW-Authenticate"); refused.status != 401 || !strings.Contains(challenge, `realm="https://localhost/drawbridge/token"`) {
		b.t.Errorf("/verify: %d, %q", refused.status, challenge)
	}
}

// commands are those that work at a server, with its path in --server or in the
// environment. Passwords that docker has stored are found by the host alone.
func (b *behind) commands(certs string) {
	b.t.Helper()
	home, host := b.t.TempDir(), strings.TrimSuffix(strings.TrimPrefix(b.base, "https://"), "/drawbridge")
	if err := os.Mkdir(filepath.Join(home, ".docker"), 0o700); err != nil {
		b.t.Fatal(err)
	}
	stored := `{"auths":{"` + host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("admin:badmin")) + `"}}}`
	if err := os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte(stored), 0o600); err != nil {
		b.t.Fatal(err)
	}
	ca := []string{"--ca-file", filepath.Join(certs, "tls.crt")}
	for _, tt := range []struct {
		command, server, environment, stdin string
		code                                int
		says                                string
	}{
		{"policy show --username admin", b.base, "", "badmin\n", 0, "policy-admin"},
		{"session list", "", b.base, "", 0, ""},
		{"robot create ci-" + host[len("localhost:"):] + " --owner local/admin", b.base + "/", "", "", 0, ""},
		{"policy show", strings.TrimSuffix(b.base, "/drawbridge"), "", "", 2, "is --server the right URL?"},
	} {
		args := append(strings.Fields(tt.command), ca...)
		if tt.server != "" {
			args = append(args, "--server", tt.server)
		}
		ran := testbed.RunDrawbridgeWith(b.t, home, tt.stdin, []string{"DRAWBRIDGE_SERVER=" + tt.environment}, args...)
		if ran.Code != tt.code || !strings.Contains(ran.Stdout+ran.Stderr, tt.says) {
			b.t.Errorf("%v: exit code %d, want %d and %q\n%s%s", args, ran.Code, tt.code, tt.says, ran.Stdout, ran.Stderr)
		}
	}
}

// console signs in and follows every link of the overview.
func (b *behind) console() {
	b.t.Helper()
	form := b.send(http.MethodGet, "/console/policy", nil)
	if form.status != http.StatusOK || form.path != "/drawbridge/console/sign-in" {
		b.t.Fatalf("led to %s: %d\n%s", form.path, form.status, form.text)
	}
	field := func(name string) string {
		m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(form.text)
		if m == nil {
			b.t.Fatalf("no field %s in\n%s", name, form.text)
		}
		return m[1]
	}
	page := b.send(http.MethodPost, "/console/sign-in", url.Values{
		"username": {"admin"}, "password": {"badmin"}, "next": {field("next")}, "form_token": {field("form_token")},
	}, "Origin", strings.TrimSuffix(b.base, "/drawbridge"))
	if page.status != http.StatusOK || page.path != "/drawbridge/console/policy" {
		b.t.Fatalf("signed in, and led to %s: %d\n%s", page.path, page.status, page.text)
	}
	host, seen := strings.TrimSuffix(b.base, "/drawbridge"), 0
	for _, m := range regexp.MustCompile(`(?:href|src)="(/[^"]+)"`).FindAllStringSubmatch(page.text, -1) {
		is := b.send(http.MethodGet, host+strings.ReplaceAll(m[1], "&amp;", "&"), nil)
		if is.status != http.StatusOK || !strings.HasPrefix(is.path, "/drawbridge/console/") || strings.Contains(is.path, "sign-in") {
			b.t.Errorf("the link %s leads to %s: %d", m[1], is.path, is.status)
		}
		seen++
	}
	if seen < 5 {
		b.t.Errorf("the page has %d links:\n%s", seen, page.text)
	}
}

// A server on IPv6 counts a network as one address, and sees an IPv4 one as such.
func TestIPv6(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		t.Skip("NOT TESTED: this machine has no IPv6")
	}
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: config + "server: { trusted_proxies: [\"::1/128\"] }\nlimits: { requests_per_second: 0.01 }\n", Files: files(),
		Env: []string{"DRAWBRIDGE_SERVER_ADDR=[::1]:0"},
	})
	s.URL = strings.Replace(s.URL, "localhost", "[::1]", 1)
	status := func(from string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/token?service=Docker%20registry", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", from)
		return s.Do(r).Status
	}
	for _, tt := range []struct {
		from string
		want int
	}{
		{"2001:db8::1", 200}, {"2001:db8::2:3", 429}, {"2001:db8:0:1::1", 200},
		{"::ffff:192.0.2.1", 200}, {"192.0.2.1", 429},
	} {
		if got := status(tt.from); got != tt.want {
			t.Errorf("from %s: %d, want %d", tt.from, got, tt.want)
		}
	}
}
