package doctor

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// The ways in which a registry and Drawbridge do not come together.
func TestRegistry(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	t.Run("healthy", func(t *testing.T) { t.Parallel(); healthy(t, w) })
	t.Run("reach", func(t *testing.T) { t.Parallel(); reach(t, w) })
	t.Run("TLS", func(t *testing.T) { t.Parallel(); certificates(t, w) })
	t.Run("challenge", func(t *testing.T) { t.Parallel(); challenges(t, w) })
	t.Run("tokens", func(t *testing.T) { t.Parallel(); refusals(t, w) })
	t.Run("proxies", func(t *testing.T) { t.Parallel(); proxies(t, w) })
	t.Run("origins", func(t *testing.T) { t.Parallel(); origins(t, w) })
	t.Run("server", func(t *testing.T) { t.Parallel(); theServer(t, w) })
	t.Run("local", func(t *testing.T) { t.Parallel(); local(t, w) })
}

// A setup without a fault has no finding, with every registry, and an upload leaves
// nothing behind.
func healthy(t *testing.T, w *world) {
	for _, version := range testbed.RegistryVersions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := testbed.StartRegistry(t, version, w.trusting())
			got := w.doctor(t, at(r.URL, "--write", "--user", "admin"))
			for _, one := range got.Results {
				if one.State != "ok" && !strings.Contains(one.Check, "pages") {
					t.Errorf("%s is %s: %s", one.Check, one.State, one.Detail)
				}
			}
			if log := r.Log(); !strings.Contains(log, "DELETE") {
				t.Errorf("the upload was not cancelled:\n%s", log)
			}
		})
	}
}

func reach(t *testing.T, w *world) {
	r := testbed.StartRegistry(t, testbed.Registry311, w.trusting())
	port := r.Addr[strings.LastIndexByte(r.Addr, ':'):]
	certFile, keyFile := newAuthority(t, time.Hour).server(ecKey(t), nil)
	opts := w.trusting()
	opts.TLSCertFile, opts.TLSKeyFile = certFile, keyFile
	secure := testbed.StartRegistry(t, testbed.Registry311, opts)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	stranger := nginx(t, `location / { return 404; }`)
	nobody := closed(t)
	throughProxy := at("http://0.0.0.0" + port)
	throughProxy.env = []string{"HTTP_PROXY=http://" + nobody}
	forbidden := throughProxy
	forbidden.env = []string{"HTTP_PROXY=http://" + stranger}
	for _, tt := range []struct {
		name  string
		visit visit
		want  string
		says  string
	}{
		{"no such name", at("http://registry.drawbridge.invalid:5000"), "DB-NET-001", "getent hosts registry.drawbridge.invalid"},
		{"wrong port", at("http://" + nobody), "DB-NET-002", nobody},
		{"no answer", at("http://"+silent.Addr().String(), "--timeout", "3s"), "DB-NET-003", "no answer in time"},
		{"https to plain HTTP", at("https://" + r.Addr), "DB-NET-004", `{ "insecure-registries": ["` + r.Addr + `"] }`},
		{"http to TLS", at("http://" + secure.Addr), "DB-NET-005", "https://" + secure.Addr},
		{"a proxy that is down", throughProxy, "DB-NET-006", "NO_PROXY=0.0.0.0"},
		{"a proxy that forbids", forbidden, "DB-NET-006", "without the proxy the right server answers"},
		{"somebody else's port", at("http://" + stranger), "DB-NET-007", "answered 404 by nginx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w.doctor(t, tt.visit, tt.want).says(t, tt.want, tt.says)
		})
	}
}

// nginx answers plain HTTP as the inside of a server block says.
func nginx(t *testing.T, server string) (addr string) {
	t.Helper()
	g := testbed.StartNginx(t, func(addr, _ string) string {
		return "server { listen " + addr + ";\n" + server + "\n}\n"
	})
	return g.Host
}

// nginxTLS is nginx with the certificate of Drawbridge, which is for localhost.
func nginxTLS(t *testing.T, w *world, server string) (addr string) {
	t.Helper()
	return nginxWith(t, w.CAFile, filepath.Join(filepath.Dir(w.CAFile), "server.key"), server)
}

func nginxWith(t *testing.T, certFile, keyFile, server string) (addr string) {
	t.Helper()
	g := testbed.StartNginx(t, func(addr, _ string) string {
		return "server { listen " + addr + " ssl; ssl_certificate " + certFile + "; ssl_certificate_key " + keyFile + ";\n" + server + "\n}\n"
	})
	return g.Host
}

func certificates(t *testing.T, w *world) {
	ca := newAuthority(t, 365*24*time.Hour)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		edit func(*x509.Certificate)
		args []string
		want string
		says string
	}{
		{"expired", ecKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, []string{"--ca-file", ca.file}, "DB-TLS-001", "It ended on"},
		{"not yet valid", ecKey(t), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, []string{"--ca-file", ca.file}, "DB-TLS-002", "timedatectl"},
		{"another name", ecKey(t), func(c *x509.Certificate) { c.DNSNames = []string{"registry.example.com"} }, []string{"--ca-file", ca.file}, "DB-TLS-003", "registry.example.com"},
		{"unknown authority", ecKey(t), func(*x509.Certificate) {}, nil, "DB-TLS-004", "/etc/docker/certs.d/localhost:"},
		{"small key", small, func(*x509.Certificate) {}, []string{"--ca-file", ca.file}, "DB-TLS-005", "1024 bits"},
		{"ends soon", ecKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(5 * 24 * time.Hour) }, []string{"--ca-file", ca.file}, "DB-TLS-006", "It ends on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := w.trusting()
			opts.TLSCertFile, opts.TLSKeyFile = ca.server(tt.key, tt.edit)
			r := testbed.StartRegistry(t, testbed.Registry28, opts)
			url := strings.Replace(r.URL, "127.0.0.1", "localhost", 1)
			w.doctor(t, at(url, tt.args...), tt.want).says(t, tt.want, tt.says)
		})
	}
	t.Run("old protocol", func(t *testing.T) {
		t.Parallel()
		r := testbed.StartRegistry(t, testbed.Registry311, w.trusting())
		g := nginxTLS(t, w, `ssl_protocols TLSv1; ssl_ciphers ALL:@SECLEVEL=0; location / { proxy_pass `+r.URL+`; }`)
		w.doctor(t, at("https://"+g, "--ca-file", w.CAFile), "DB-TLS-005").says(t, "DB-TLS-005", "TLS 1.0", "ssl_protocols")
	})
}

func challenges(t *testing.T, w *world) {
	realm := func(url string) testbed.RegistryOptions {
		opts := w.trusting()
		opts.Realm = url
		return opts
	}
	ip := strings.Replace(w.URL, "localhost", "127.0.0.1", 1)
	stranger := nginxTLS(t, w, `location / { return 404; }`)
	for _, tt := range []struct {
		name string
		opts testbed.RegistryOptions
		want string
		says string
	}{
		{"open to all", testbed.RegistryOptions{}, "DB-CHL-001", "rootcertbundle"},
		{"realm of something else", realm("https://" + stranger + "/token"), "DB-CHL-003", w.URL + "/token"},
		{"realm with a wrong path", realm(w.URL + "/oauth/token"), "DB-CHL-003", "/oauth/token"},
		{"realm nobody listens at", realm("https://" + strings.Replace(closed(t), "127.0.0.1", "localhost", 1) + "/token"), "DB-CHL-004", w.URL + "/token"},
		{"realm with an address", realm(ip + "/token"), "DB-CHL-005", "DNS name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := testbed.StartRegistry(t, testbed.Registry28, tt.opts)
			url := strings.Replace(r.URL, "127.0.0.1", "localhost", 1)
			w.doctor(t, at(url), tt.want).says(t, tt.want, tt.says)
		})
	}
	t.Run("a login of its own", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "users"), []byte(testbed.HTPasswd(t, "x", "y")), 0o600); err != nil {
			t.Fatal(err)
		}
		r := testbed.StartRegistry(t, testbed.Registry311, w.trusting())
		g := nginx(t, `auth_basic "registry"; auth_basic_user_file `+dir+`/users; location / { proxy_pass `+r.URL+`; }`)
		w.doctor(t, at("http://"+g), "DB-CHL-002").says(t, "DB-CHL-002", "basic", "auth_basic")
	})
}
