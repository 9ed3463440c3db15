package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/authz/revisions"
	"drawbridge/store"

	"golang.org/x/crypto/bcrypt"
)

// running is a server that a test started through the command line.
type running struct {
	url, telemetry string
	client         *http.Client
	dir            string // data_dir
	stdout, stderr *recorded
	stop           func() error
}

// recorded collects what the server writes and lets a test wait for a text.
type recorded struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *recorded) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *recorded) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *recorded) wait(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m
		}
	}
	t.Fatalf("%q never appeared in:\n%s", pattern, o.String())
	return nil
}

// startServe runs `drawbridge serve` in a data directory with the arguments.
func startServe(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	t.Setenv("DRAWBRIDGE_DATA_DIR", dir)
	t.Setenv("DRAWBRIDGE_SERVER_ADDR", "127.0.0.1:0")
	t.Setenv("DRAWBRIDGE_SERVER_TELEMETRY_ADDR", "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{dir: dir, stdout: &recorded{}, stderr: &recorded{}}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"serve"}, args...), strings.NewReader(""), r.stdout, r.stderr)
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("serve ended with %v", err)
		}
	})
	m := r.stderr.wait(t, `"msg":"ready","addr":"([^"]+)","telemetry_addr":"([^"]+)"`)
	r.url, r.telemetry = "https://"+m[1], "http://"+m[2]
	pem, err := os.ReadFile(filepath.Join(dir, "tls", "server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	r.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(r.client.CloseIdleConnections)
	return r
}

// token asks for a token and returns the status and the granted scope.
func (r *running) token(t *testing.T, username, password, scope string) (status int, granted, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/token?service=Docker+registry&scope="+scope, nil)
	if err != nil {
		t.Fatal(err)
	}
	if username != "" {
		req.SetBasicAuth(username, password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body struct{ Token, Scope string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.Scope, body.Token
}

// seedPassword is the admin's in the data directories of [seeded].
const seedPassword = "badmin"

// seeded is a data directory with an admin account whose hash is cheap to check.
func seeded(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	hash, err := bcrypt.GenerateFromPassword([]byte(seedPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "htpasswd"), []byte("admin:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestServeEmbeddedDefault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := startServe(t, dir)
	password := first.stderr.wait(t, `password  (\S{24})\n`)[1]
	for _, want := range []string{"user      admin", `service: "Docker registry"`, `issuer: "Acme auth server"`, "rootcertbundle:", "signing-ca.pem"} {
		if !strings.Contains(first.stderr.String(), want) {
			t.Errorf("the first start does not print %q:\n%s", want, first.stderr.String())
		}
	}
	status, granted, _ := first.token(t, "admin", password, "repository:any/thing:pull,push,delete&scope=registry:catalog:*")
	if status != http.StatusOK || granted != "repository:any/thing:pull,push,delete registry:catalog:*" {
		t.Errorf("admin: status %d, granted %q", status, granted)
	}
	if status, _, _ := first.token(t, "admin", "wrong", ""); status != http.StatusUnauthorized {
		t.Errorf("wrong password: status %d", status)
	}
	if status, granted, _ := first.token(t, "", "", "repository:any/thing:pull"); status != http.StatusOK || granted != "" {
		t.Errorf("anonymous: status %d, granted %q", status, granted)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Count(first.stdout.String()+first.stderr.String(), password) != 1 {
		t.Error("the password is printed more than once")
	}

	second := startServe(t, dir)
	if strings.Contains(second.stderr.String(), "password") {
		t.Errorf("a restart speaks of a password:\n%s", second.stderr.String())
	}
	if status, _, _ := second.token(t, "admin", password, ""); status != http.StatusOK {
		t.Errorf("after a restart: status %d", status)
	}
}

func TestServeWellKnownFilesVerifyTokens(t *testing.T) {
	r := startServe(t, seeded(t))
	_, _, token := r.token(t, "", "", "")
	header := headerOf(t, token)
	if len(header.X5C) == 0 {
		t.Fatal("the token carries no certificate")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(r.get(t, "/.well-known/signing-ca.pem")) {
		t.Fatal("signing-ca.pem holds no certificate")
	}
	der, err := base64.StdEncoding.DecodeString(header.X5C[0])
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	if jwks := r.get(t, "/.well-known/jwks.json"); !bytes.Contains(jwks, []byte(header.KID)) {
		t.Errorf("jwks.json does not list %s: %s", header.KID, jwks)
	}
}

// tokenHeader is what a token says about its key.
type tokenHeader struct {
	X5C []string `json:"x5c"`
	KID string   `json:"kid"`
}

func headerOf(t *testing.T, token string) tokenHeader {
	t.Helper()
	part, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var header tokenHeader
	if err := json.Unmarshal(data, &header); err != nil {
		t.Fatalf("header %s: %v", data, err)
	}
	return header
}

func (r *running) get(t *testing.T, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v", path, resp.StatusCode, err)
	}
	return data
}

// A policy with a mistake leaves the one in force; a good one takes over without
// a restart. Both are said in the log, the audit log and the metrics.
func TestServeReloadsThePolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("bindings:\n  - {name: all, role: puller, subjects: [authenticated], repositories: [\"**\"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRAWBRIDGE_POLICY_FILE", file)
	r := startServe(t, seeded(t))
	granted := func() string {
		_, scope, _ := r.token(t, "admin", seedPassword, "repository:x:pull")
		return scope
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bindings:\n  - name: a\n    role: nonsense\n")
	r.stderr.wait(t, `reload refused.*policy.*policy.yaml:3`)
	r.stdout.wait(t, `"event.action":"policy_rejected"`)
	if got := granted(); got != "repository:x:pull" {
		t.Errorf("after a refused reload %q is granted", got)
	}
	r.waitMetric(t, "drawbridge_policy_reload_failures_total 1")
	write("bindings: []\n")
	r.stdout.wait(t, `(?s)"event.action":"policy_loaded".*"event.action":"policy_loaded"`) // the first at the start
	if got := granted(); got != "" {
		t.Errorf("after a reload %q is granted", got)
	}
}

// A policy that is saved into the store is in force within a second, one that a
// newer version wrote and this one cannot read is not, and nothing is asked of a
// person for that.
func TestServeFollowsThePolicyInTheStore(t *testing.T) {
	dir := seeded(t)
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte("# kept\nbindings: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startServe(t, dir)
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	first, err := s.NewestPolicy(t.Context())
	if err != nil || first.Number != 1 || first.Text != "# kept\nbindings: []\n" {
		t.Fatalf("the first revision is %+v, %v", first, err)
	}
	save := func(number int64, text string) {
		t.Helper()
		if err := s.AppendPolicy(t.Context(), revisions.Revision{Number: number, Text: text, Author: "test", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	save(2, "bindings:\n  - {name: all, role: puller, subjects: [authenticated], repositories: [\"**\"]}\n")
	r.stdout.wait(t, `"event.action":"policy_loaded".*"drawbridge.policy_revision":"r2"`)
	if _, scope, _ := r.token(t, "admin", seedPassword, "repository:x:pull"); scope != "repository:x:pull" {
		t.Errorf("r2 grants %q", scope)
	}
	save(3, "bindings: nonsense\n")
	r.stderr.wait(t, `the saved policy could not be put in force`)
	if _, scope, _ := r.token(t, "admin", seedPassword, "repository:x:pull"); scope != "repository:x:pull" {
		t.Errorf("after a revision that cannot be read %q is granted", scope)
	}
	save(4, "bindings: []\n")
	r.stdout.wait(t, `"drawbridge.policy_revision":"r4"`)
	if _, scope, _ := r.token(t, "admin", seedPassword, "repository:x:pull"); scope != "" {
		t.Errorf("r4 grants %q", scope)
	}
}

func TestServeReloadsOnSIGHUP(t *testing.T) {
	r := startServe(t, seeded(t))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.stderr.wait(t, `"msg":"reloaded","what":"policy"`)
	r.stderr.wait(t, `"msg":"reloaded","what":"htpasswd file"`)
}

// What was verified under the old htpasswd file is worth nothing under the new
// one, cached or not.
func TestServeReloadsTheHTPasswdFile(t *testing.T) {
	dir := seeded(t)
	r := startServe(t, dir)
	if status, _, _ := r.token(t, "admin", seedPassword, ""); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if err := os.WriteFile(filepath.Join(dir, "htpasswd"), []byte("# nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.stderr.wait(t, `"msg":"reloaded","what":"htpasswd file"`)
	if status, _, _ := r.token(t, "admin", seedPassword, ""); status != http.StatusUnauthorized {
		t.Errorf("after the account was removed: status %d", status)
	}
}

func (r *running) metrics(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(r.telemetry + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (r *running) waitMetric(t *testing.T, line string) {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(r.metrics(t))); s.Scan(); {
		if s.Text() == line {
			return
		}
	}
	t.Errorf("%q is not among the metrics", line)
}

func TestServeMetrics(t *testing.T) {
	r := startServe(t, seeded(t))
	r.token(t, "admin", seedPassword, "repository:x:pull")
	r.token(t, "admin", "wrong", "")
	r.token(t, "", "", "repository:x:pull,push")
	for _, line := range []string{
		`drawbridge_authn_attempts_total{connector="local",outcome="granted",reason=""} 1`,
		`drawbridge_authn_attempts_total{connector="local",outcome="denied",reason="wrong_password"} 1`,
		`drawbridge_access_decisions_total{action="pull",outcome="granted"} 1`,
		`drawbridge_access_decisions_total{action="push",outcome="denied"} 1`,
		`drawbridge_tokens_issued_total 2`,
		`drawbridge_store_up 1`,
		`drawbridge_feed_fresh 1`,
		`drawbridge_revocations_live{kind="person"} 0`,
	} {
		r.waitMetric(t, line)
	}
}

func TestHealth(t *testing.T) {
	r := startServe(t, seeded(t))
	var out, errOut bytes.Buffer
	err := run(t.Context(), []string{"health", "--url", r.telemetry + "/readyz"}, nil, &out, &errOut)
	if code := exitCode(err, &errOut); code != 0 || out.String() != "ready\n" {
		t.Errorf("exit code %d: %s%s", code, out.String(), errOut.String())
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	err = run(t.Context(), []string{"health", "--url", r.telemetry + "/readyz"}, nil, &out, &errOut)
	if code := exitCode(err, &errOut); code != 1 || !strings.Contains(errOut.String(), "no server answers") {
		t.Errorf("stopped: exit code %d: %s", code, errOut.String())
	}
}

// A server that starts without its store logs people in under the policy that was
// in force last, and is not ready: it does not know what is revoked.
func TestServeWithoutItsStore(t *testing.T) {
	dir := seeded(t)
	before := startServe(t, dir)
	last := filepath.Join(dir, "policy.last.json")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(last); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := before.stop(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRAWBRIDGE_STORE_URL", "postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable")
	r := startServe(t, dir)
	if status, _, _ := r.token(t, "admin", seedPassword, ""); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	var out, errOut bytes.Buffer
	err := run(t.Context(), []string{"health", "--url", r.telemetry + "/readyz"}, nil, &out, &errOut)
	if code := exitCode(err, &errOut); code != 1 || !strings.Contains(errOut.String(), "the store is unavailable") {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	r.waitMetric(t, "drawbridge_store_up 0")
	r.waitMetric(t, "drawbridge_feed_fresh 0")
	r.stderr.wait(t, `"level":"WARN","msg":"the feed of changes cannot be read`)
	if strings.Contains(errOut.String()+r.stderr.String(), "hunter2") {
		t.Error("the store's password is printed")
	}
}

// Without any policy nobody gets a token, and nobody is told that a password is
// wrong.
func TestServeWithoutAnyPolicy(t *testing.T) {
	t.Setenv("DRAWBRIDGE_STORE_URL", "postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable")
	r := startServe(t, seeded(t))
	if status, _, _ := r.token(t, "admin", seedPassword, ""); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
}

func TestServeSaysWhatKeepsItFromStarting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dir := t.TempDir()
	t.Setenv("DRAWBRIDGE_DATA_DIR", filepath.Join(dir, "data"))
	t.Setenv("DRAWBRIDGE_SERVER_TELEMETRY_ADDR", "127.0.0.1:0")
	t.Setenv("DRAWBRIDGE_SERVER_ADDR", l.Addr().String())
	err = run(t.Context(), []string{"serve"}, nil, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "server.addr") {
		t.Errorf("the port is taken: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "htpasswd")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a start that failed has made an account whose password nobody was told: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRAWBRIDGE_SERVER_ADDR", "127.0.0.1:0")
	t.Setenv("DRAWBRIDGE_DATA_DIR", filepath.Join(file, "data"))
	if err = run(t.Context(), []string{"serve"}, nil, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "data_dir") {
		t.Errorf("data_dir below a file: %v", err)
	}
}
