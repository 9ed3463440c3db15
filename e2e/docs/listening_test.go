package docs

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// what the settings of docs/listening.md need beside them.
const rest = `
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
policy: { file: policy.yaml }
`

func listeningFiles(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"htpasswd": testbed.HTPasswd(t, "admin", "badmin"), "policy.yaml": "bindings: []\n"}
}

// Each of the page's settings passes the check; what they do is shown in package edge.
func TestListeningSettings(t *testing.T) {
	t.Parallel()
	server := testbed.StartDrawbridge(t, testbed.ServerOptions{Config: rest, Files: listeningFiles(t)})
	for _, name := range []string{"listen-acme", "listen-cors", "limits-settings"} {
		server.WriteFile(name+".yaml", one(t, name)+rest)
		if got := testbed.RunDrawbridge(t, server.Dir, "", "config", "check", "--config", name+".yaml"); got.Code != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The page's nginx in front of the page's socket: the client's address arrives.
func TestUnixSocketBehindNginx(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &shell{t: t, dir: dir}
	s.run(`openssl req -newkey rsa:2048 -nodes -x509 -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt`)
	server := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: strings.ReplaceAll(one(t, "listen-socket"), "/run/drawbridge", dir) + rest, Files: listeningFiles(t),
		Env: []string{"DRAWBRIDGE_SERVER_ADDR=unix:" + filepath.Join(dir, "drawbridge.sock")},
	})
	nginx := testbed.StartNginx(t, func(addr, _ string) string {
		return strings.NewReplacer("443", addr, "/run/drawbridge", dir, "/etc/nginx", dir).Replace(one(t, "listen-nginx"))
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a certificate made above
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+nginx.Host+"/token?service=Docker%20registry&scope=repository:public/a:pull", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a token request: %s", resp.Status)
	}
	server.Await("the audit log has the client's address", func() bool { return strings.Contains(server.Output(), `"source.ip":"127.0.0.1"`) })
}
