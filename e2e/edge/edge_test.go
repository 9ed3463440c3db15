package edge

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
	"drawbridge/server"
)

// A certificate that a robot renews in its place is shown without a restart, and one
// that is half written is not.
func TestCertificateFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	renew := func() (serial string, roots *x509.CertPool) {
		fresh := t.TempDir()
		cert, file, err := server.SelfSigned(fresh, []string{"localhost"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		roots = x509.NewCertPool()
		roots.AddCert(cert.Leaf)
		for from, to := range map[string]string{file: "tls.crt", filepath.Join(fresh, "server.key"): "tls.key"} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, to), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return cert.Leaf.SerialNumber.String(), roots
	}
	first, roots := renew()
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{Config: config, Files: files(), Env: []string{
		"DRAWBRIDGE_SERVER_TLS_MODE=files", "DRAWBRIDGE_SERVER_TLS_CERT_FILE=" + filepath.Join(dir, "tls.crt"),
		"DRAWBRIDGE_SERVER_TLS_KEY_FILE=" + filepath.Join(dir, "tls.key"),
	}})
	addr := strings.TrimPrefix(s.URL, "https://")
	shows := func(serial string, roots *x509.CertPool) bool {
		state, err := handshake(t, addr, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		return err == nil && state.PeerCertificates[0].SerialNumber.String() == serial
	}
	if !shows(first, roots) {
		t.Fatal("the first certificate is not shown")
	}
	if err := os.WriteFile(filepath.Join(dir, "tls.crt"), []byte("-----BEGIN CERT"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Await("the half written one is refused", func() bool {
		return strings.Contains(s.Output(), "reload refused: what was in force stays")
	})
	if !shows(first, roots) {
		t.Error("a half written file took the certificate away")
	}
	second, roots := renew()
	s.Await("the new certificate is shown", func() bool { return shows(second, roots) })
}

// Two servers with one Redis count together, and each for itself while Redis is away.
func TestRatesAreShared(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	two := testbed.StartReplicas(t, 2, testbed.ServerOptions{
		// Ten seconds' worth of 0.01 and 0.001 are bursts of one: the next one is due
		// after longer than the test takes.
		Config: config + `
server: { trusted_proxies: ["127.0.0.0/8"] }
limits: { requests_per_second: 0.01, account_requests_per_second: 0.001 }
cache: { redis_url: "` + redis.URL() + `" }
`, Files: files(),
	})
	ask := func(replica int, from, user string) (status int, retryAfter string) {
		t.Helper()
		s := two.Servers[replica]
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/token?service=Docker%20registry&scope=repository:public/a:pull", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", from)
		if user != "" {
			r.SetBasicAuth(user, "badmin")
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	expect := func(what string, replica int, from, user string, want int) {
		t.Helper()
		status, wait := ask(replica, from, user)
		if status != want || (wait != "") != (want == http.StatusTooManyRequests) {
			t.Errorf("%s: %d with Retry-After %q, want %d", what, status, wait, want)
		}
	}
	expect("the first from an address", 0, "192.0.2.1", "", http.StatusOK)
	expect("the second", 0, "192.0.2.1", "", http.StatusTooManyRequests)
	expect("the second, elsewhere", 1, "192.0.2.1", "", http.StatusTooManyRequests)
	expect("another address", 1, "192.0.2.2", "", http.StatusOK)

	expect("an account", 0, "192.0.2.3", "admin", http.StatusOK)
	expect("the account from elsewhere", 1, "192.0.2.4", "admin", http.StatusTooManyRequests)
	for _, by := range []string{"address", "account"} {
		total := 0.0
		for _, s := range two.Servers {
			total += s.Metrics()[`drawbridge_rate_limited_total{by="`+by+`"}`]
		}
		if total == 0 {
			t.Errorf("drawbridge_rate_limited_total counts nothing by %s", by)
		}
	}
	redis.Kill()
	expect("Redis is away: a new address", 0, "192.0.2.9", "", http.StatusOK)
	expect("its second", 0, "192.0.2.9", "", http.StatusTooManyRequests)
}
