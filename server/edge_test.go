package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/server"
)

// slow is a rate that lets nobody through twice.
type slow map[string]bool

func (s slow) Allow(_ context.Context, key string) (time.Duration, error) {
	if key == "rate:address:broken" {
		return time.Hour, errors.New("down")
	}
	if s[key] {
		return 1500 * time.Millisecond, nil
	}
	s[key] = true
	return 0, nil
}

func TestRateLimit(t *testing.T) {
	limit := server.RateLimit{Rate: slow{}, ClientAddr: func(r *http.Request) string { return r.RemoteAddr }}
	h := limit.Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, tt := range []struct {
		address, path string
		status        int
		mediaType     string
	}{
		{"192.0.2.1", "/token", http.StatusNoContent, ""},
		{"192.0.2.1", "/token", http.StatusTooManyRequests, "application/json"},
		{"192.0.2.1", "/api/v1/policy", http.StatusTooManyRequests, "application/problem+json"},
		{"192.0.2.2", "/token", http.StatusNoContent, ""},
		{"broken", "/token", http.StatusNoContent, ""},
		{"2001:db8::1", "/token", http.StatusNoContent, ""},
		{"2001:db8::ffff:ffff", "/token", http.StatusTooManyRequests, "application/json"},
		{"2001:db8:0:1::1", "/token", http.StatusNoContent, ""},
		{"::ffff:192.0.2.2", "/token", http.StatusTooManyRequests, "application/json"},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		r.RemoteAddr = tt.address
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != tt.status || rec.Header().Get("Content-Type") != tt.mediaType {
			t.Errorf("%s %s: %d %q, want %d %q", tt.address, tt.path, rec.Code, rec.Header().Get("Content-Type"), tt.status, tt.mediaType)
		}
		if tt.status != http.StatusTooManyRequests {
			continue
		}
		if got := rec.Header().Get("Retry-After"); got != "2" {
			t.Errorf("%s: Retry-After %q, want the seconds, rounded up", tt.path, got)
		}
		if !json.Valid(rec.Body.Bytes()) || !strings.Contains(rec.Body.String(), "Too many requests from your address") {
			t.Errorf("%s: answered %s", tt.path, rec.Body)
		}
	}
}

func TestCORS(t *testing.T) {
	reached := 0
	h := server.WithCORS([]string{"https://ui.example.com"}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	preflight := func(origin, path string) http.Header {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		r.Header.Set("Access-Control-Request-Headers", "authorization")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Header()
	}
	ours := preflight("https://ui.example.com", "/token")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://ui.example.com", "Access-Control-Allow-Methods": "GET",
		"Access-Control-Allow-Headers": "authorization", "Access-Control-Allow-Credentials": "true",
	} {
		if got := ours.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if reached != 0 {
		t.Error("a preflight reached the endpoint")
	}
	for _, origin := range []string{"https://evil.example.com", "https://ui.example.com.evil.example", "http://ui.example.com", "null"} {
		if got := preflight(origin, "/token").Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s is allowed: %q", origin, got)
		}
	}
	if got := preflight("https://ui.example.com", "/console/").Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("the console is open to %q", got)
	}
	r := httptest.NewRequest(http.MethodGet, "/token", nil)
	r.Header.Set("Origin", "https://ui.example.com")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if got := rec.Header(); got.Get("Access-Control-Allow-Origin") != "https://ui.example.com" || got.Get("Vary") == "" ||
		!strings.Contains(got.Get("Access-Control-Expose-Headers"), "Retry-After") {
		t.Errorf("an answer has %v", got)
	}
}

// authority issues client certificates.
func authority(t *testing.T) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return roots, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	own, err := server.NewCertificate(func() (tls.Certificate, error) {
		cert, _, err := server.SelfSigned(dir, []string{"127.0.0.1"}, time.Now())
		return cert, err
	})
	if err != nil {
		t.Fatal(err)
	}
	trusted, admin := authority(t)
	_, stranger := authority(t)
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	addr, stop := start(t, own.TLSConfig(trusted), server.WithClientCertificates(ok))
	defer func() { _ = stop() }()
	ask := func(cert *tls.Certificate, path string) int {
		config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server's own certificate is not what is tested
		if cert != nil {
			// Whatever issuers the server names.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		defer client.CloseIdleConnections()
		resp, err := client.Get("https://" + addr + path)
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, path := range []string{"/api/v1/policy", "/console/", "/console"} {
		if got := ask(nil, path); got != http.StatusForbidden {
			t.Errorf("%s without a certificate: %d, want 403", path, got)
		}
		if got := ask(&admin, path); got != http.StatusNoContent {
			t.Errorf("%s with one: %d", path, got)
		}
	}
	if got := ask(nil, "/token"); got != http.StatusNoContent {
		t.Errorf("/token without a certificate: %d", got)
	}
	if got := ask(&stranger, "/token"); got != 0 {
		t.Errorf("a certificate of another authority: %d, want no connection", got)
	}
}

func TestCertificateReload(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	broken := false
	c, err := server.NewCertificate(func() (tls.Certificate, error) {
		if broken {
			return tls.Certificate{}, errors.New("half written")
		}
		cert, _, err := server.SelfSigned(dirs[0], []string{"localhost"}, time.Now())
		return cert, err
	})
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		cert, err := c.TLSConfig(nil).GetCertificate(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf.SerialNumber.String()
	}
	first := shown()
	if time.Until(c.NotAfter()) < 24*time.Hour {
		t.Errorf("it ends on %s", c.NotAfter())
	}
	broken = true
	if err := c.Reload(); err == nil || shown() != first {
		t.Errorf("after a certificate that cannot be used: %v", err)
	}
	broken, dirs[0] = false, dirs[1]
	if err := c.Reload(); err != nil || shown() == first {
		t.Errorf("the new certificate is not shown: %v", err)
	}
}

func TestListenOnASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listen := func() (net.Listener, error) {
		return (&server.Listeners{}).Listen(t.Context(), "server.addr", "unix:"+path)
	}
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := listen(); err == nil || !strings.Contains(err.Error(), "another server answers on") {
		t.Errorf("a socket in use: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as a killed server leaves it
	_ = l.Close()
	l, err = listen()
	if err != nil {
		t.Fatalf("a socket that was left: %v", err)
	}
	_ = l.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "precious" {
		t.Error("a file was removed")
	}
}

// childRole has this test's own program listen on what it was passed.
const childRole = "DRAWBRIDGE_TEST_LISTEN"

func TestListenOnASystemdSocket(t *testing.T) {
	if os.Getenv(childRole) != "" {
		listenInChild(t)
		return
	}
	passed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = passed.Close() }()
	file, err := passed.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	// The shell's process becomes the program's, whose number systemd would name.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=main exec "$0" -test.run '^TestListenOnASystemdSocket$' -test.v`, os.Args[0])
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = append(os.Environ(), childRole+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "listens on "+passed.Addr().String()) {
		t.Errorf("%v: %s", err, out)
	}
}

func listenInChild(t *testing.T) {
	t.Helper()
	var listeners server.Listeners
	if _, err := listeners.Listen(t.Context(), "server.addr", "systemd:other"); err == nil ||
		!strings.Contains(err.Error(), `no socket named "other", but ["main"]`) {
		t.Errorf("another name: %v", err)
	}
	l, err := listeners.Listen(t.Context(), "server.addr", "systemd:main")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listens on", l.Addr())
}
