package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/server"
)

func TestClientAddrBelievesTrustedProxiesOnly(t *testing.T) {
	addr := server.ClientAddr([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	for _, tt := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"direct", "192.0.2.1:1234", nil, "192.0.2.1"},
		{"an outsider cannot claim another address", "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		{"through one proxy", "10.1.1.1:1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"through two proxies", "10.1.1.1:1", []string{"198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
		{"what the caller wrote left of it is ignored", "10.1.1.1:1", []string{"1.2.3.4, 198.51.100.7"}, "198.51.100.7"},
		{"several header lines", "10.1.1.1:1", []string{"1.2.3.4", "198.51.100.7"}, "198.51.100.7"},
		{"garbage stops the walk", "10.1.1.1:1", []string{"198.51.100.7, unknown"}, "10.1.1.1"},
		{"only proxies", "10.1.1.1:1", []string{"10.2.2.2"}, "10.2.2.2"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv4 in IPv6", "[::ffff:10.1.1.1]:1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"unix socket", "@", nil, ""},
		{"a proxy on a unix socket", "@", []string{"1.2.3.4, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies, one on a unix socket", "", []string{"1.2.3.4, 198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
		{"garbage over a unix socket", "@", []string{"unknown"}, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.remote
		for _, line := range tt.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		if got := addr(r); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSelfSignedIsKeptUntilItNoLongerServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	hosts := server.SelfSignedHosts("https://auth.example.com:5001")
	now := time.Now()
	first, file, err := server.SelfSigned(dir, hosts, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"auth.example.com", "localhost", "127.0.0.1", "::1"} {
		if err := first.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "server.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info.Mode(), err)
	}
	same := func(now time.Time, hosts []string) bool {
		t.Helper()
		next, _, err := server.SelfSigned(dir, hosts, now)
		if err != nil {
			t.Fatal(err)
		}
		kept := next.Leaf.Equal(first.Leaf)
		first = next
		return kept
	}
	if !same(now, hosts) {
		t.Error("a restart made another certificate")
	}
	if same(now, append(hosts, "new.example.com")) {
		t.Error("a new name did not lead to a new certificate")
	}
	if same(now.Add(380*24*time.Hour), hosts) {
		t.Error("a certificate that expires soon was kept")
	}
	if err := os.WriteFile(file, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.SelfSigned(dir, hosts, now); err == nil || !strings.Contains(err.Error(), "delete") {
		t.Errorf("a broken certificate: %v", err)
	}
}

func TestLoadCertificateNamesTheFiles(t *testing.T) {
	_, err := server.LoadCertificate("/no/such.crt", "/no/such.key")
	if err == nil || !strings.Contains(err.Error(), "/no/such.crt") {
		t.Errorf("got %v", err)
	}
}

// config returns the TLS configuration of a server with that certificate.
func config(t *testing.T, cert tls.Certificate) *tls.Config {
	t.Helper()
	c, err := server.NewCertificate(func() (tls.Certificate, error) { return cert, nil })
	if err != nil {
		t.Fatal(err)
	}
	return c.TLSConfig(nil)
}

func TestTelemetry(t *testing.T) {
	var notReady error
	reg := server.NewMetricsRegistry("v1")
	h := server.Telemetry(reg, func() error { return notReady })
	get := func(path string) (int, string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		return rec.Code, rec.Body.String()
	}
	if code, _ := get("/livez"); code != http.StatusOK {
		t.Errorf("/livez: %d", code)
	}
	if code, _ := get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d", code)
	}
	notReady = errors.New("the leaf key expired")
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "the leaf key expired") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, _ := get("/livez"); code != http.StatusOK {
		t.Errorf("/livez while not ready: %d", code)
	}
	if _, body := get("/metrics"); !strings.Contains(body, `drawbridge_build_info{version="v1"} 1`) {
		t.Errorf("/metrics has no build info:\n%s", body)
	}
}

// start serves the handler and returns its address and a function that stops it
// and returns Serve's error.
func start(t *testing.T, tlsConfig *tls.Config, h http.Handler) (addr string, stop func() error) {
	t.Helper()
	return startWith(t, h, server.Options{TLS: tlsConfig, Log: slog.New(slog.DiscardHandler)})
}

func startWith(t *testing.T, h http.Handler, opts server.Options) (addr string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := (&server.Listeners{}).Listen(ctx, "server.addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l, h, opts) }()
	t.Cleanup(cancel)
	return l.Addr().String(), func() error { cancel(); return <-done }
}

func TestServeDrains(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	addr, stop := start(t, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-release
		_, _ = io.WriteString(w, "finished")
	}))
	type answer struct {
		body string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		resp, err := http.Get("http://" + addr)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		answers <- answer{string(body), err}
	}()
	<-started
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	// Once the listener refuses, the drain has begun; only then may the request end.
	for {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(release)
	if got := <-answers; got.err != nil || got.body != "finished" {
		t.Errorf("the running request: %+v", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// During the delay new connections are answered as before, and every client is
// told to close its own; one that has it open and idle is not cut off.
func TestServeDelaysTheDrain(t *testing.T) {
	const delay = 3 * time.Second
	cert, _, err := server.SelfSigned(t.TempDir(), []string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	addr, stop := startWith(t, handler, server.Options{
		TLS: config(t, cert), DrainDelay: delay, Log: slog.New(slog.DiscardHandler),
	})
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	clients := map[string]*http.Client{}
	for proto, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		clients[proto] = &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2,
		}}
		defer clients[proto].CloseIdleConnections()
	}
	// ask returns whether the request went over a connection that was there before.
	ask := func(proto string, wantClose bool) (reused bool) {
		t.Helper()
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, "https://"+addr, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := clients[proto].Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != proto {
			t.Errorf("%s: answered %q, %v", proto, body, err)
		}
		if proto == "HTTP/1.1" && resp.Close != wantClose {
			t.Errorf("the connection is to be closed: %v, want %v", resp.Close, wantClose)
		}
		return reused
	}
	for proto := range clients {
		ask(proto, false)
		if !ask(proto, false) {
			t.Errorf("%s: the connection is not kept", proto)
		}
	}
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- stop() }()
	for ask("HTTP/2.0", true) {
		if time.Since(began) > delay {
			t.Fatal("connections are kept")
		}
	}
	if !ask("HTTP/1.1", true) {
		t.Error("an idle connection was closed")
	}
	for range 5 {
		if ask("HTTP/1.1", true) {
			t.Error("a connection is kept")
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < delay {
		t.Errorf("it ended after %s, want %s", took, delay)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
}

func TestServeTLSRefusesOldVersions(t *testing.T) {
	cert, file, err := server.SelfSigned(t.TempDir(), []string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := start(t, config(t, cert), http.NotFoundHandler())
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, MinVersion: version, MaxVersion: version})
		if (err == nil) != ok {
			t.Errorf("TLS version %x: %v", version, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestServeBoundsHeaders(t *testing.T) {
	addr, _ := start(t, nil, http.NotFoundHandler())
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Big: %s\r\n\r\n", strings.Repeat("x", 128<<10)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	addr, _ := start(t, nil, http.NotFoundHandler())
	_, err := (&server.Listeners{}).Listen(t.Context(), "server.addr", addr)
	if err == nil || !strings.Contains(err.Error(), "server.addr") || !strings.Contains(err.Error(), "another server") {
		t.Errorf("got %v", err)
	}
}
