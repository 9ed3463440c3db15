package bench_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"drawbridge/bench"
	"drawbridge/e2e/testbed"

	"golang.org/x/crypto/bcrypt"
)

// build builds the program as `make build` does, once for all tests.
func build(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(built(t), "drawbridge")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/drawbridge")
	cmd.Dir = repository(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// built is the folder that TestMain makes and removes.
func built(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(builtDir)
	if dir == "" {
		t.Fatal("TestMain has made no folder for the program")
	}
	return dir
}

// settings are what the servers differ in.
type settings struct {
	tls      string // server.tls.mode
	redisURL string
	storeURL string // store.url; empty: SQLite
	uncached bool
	ldap     *testbed.Slapd
}

// setUp starts the servers of all cases. They idle while others are measured.
func setUp(t testing.TB, binary string) map[string]*bench.Process {
	t.Helper()
	slapd := testbed.StartSlapd(t)
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	tlsDir := t.TempDir()
	servers := map[string]*bench.Process{
		"plain":    startDrawbridge(t, binary, t.TempDir(), settings{tls: "off", ldap: slapd}),
		"tls":      startDrawbridge(t, binary, tlsDir, settings{tls: "self-signed", ldap: slapd}),
		"redis":    startDrawbridge(t, binary, t.TempDir(), settings{tls: "off", ldap: slapd, redisURL: redis.URL()}),
		"uncached": startDrawbridge(t, binary, t.TempDir(), settings{tls: "off", ldap: slapd, uncached: true}),
	}
	token := ask(t, bench.Load{URL: tokenURL(servers["plain"], pushScope), Username: localUser, Password: localPassword}).Token
	servers["baseline"] = startBaseline(t, "http", token, "")
	// The same certificate: another kind of key would make another handshake.
	servers["baseline-tls"] = startBaseline(t, "https", token, filepath.Join(tlsDir, "data", "tls"))
	return servers
}

// startDrawbridge writes the configuration and starts the program.
func startDrawbridge(t testing.TB, binary, dir string, s settings) *bench.Process {
	t.Helper()
	writeConfig(t, dir, s)
	cmd := exec.CommandContext(t.Context(), binary, "serve", "--config", filepath.Join(dir, "drawbridge.yaml")) //nolint:gosec // built above
	cmd.Dir = dir
	scheme := "https"
	if s.tls == "off" {
		scheme = "http"
	}
	return start(t, cmd, scheme, regexp.MustCompile(`"msg":"ready","addr":"([^"]+)","telemetry_addr":"([^"]+)"`))
}

func start(t testing.TB, cmd *exec.Cmd, scheme string, ready *regexp.Regexp) *bench.Process {
	t.Helper()
	p, err := bench.Start(t.Context(), cmd, scheme, ready)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func writeConfig(t testing.TB, dir string, s settings) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(localPassword), 10)
	if err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	fmt.Fprintf(&config, `server: { addr: "127.0.0.1:0", external_url: "https://localhost", telemetry_addr: "127.0.0.1:0", tls: { mode: %s } }
data_dir: data
registries: [ { service: "Docker registry", issuer: "Acme auth server" } ]
policy: { file: policy.yaml }
audit: { file: audit.log }
connectors:
  - { name: local, type: htpasswd, match: "local-*", file: htpasswd, groups_file: htgroups }
`, s.tls)
	if s.ldap != nil {
		fmt.Fprintf(&config, `  - name: corp
    type: ldap
    urls: [%q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user: { base_dn: %q }
    groups: { mode: search, base_dn: %q, nested: true }
`, s.ldap.LDAPSURL(), s.ldap.CAFile, s.ldap.BindDN, s.ldap.BindPassword, "ou=people,"+s.ldap.BaseDN, "ou=groups,"+s.ldap.BaseDN)
	}
	if s.storeURL != "" {
		fmt.Fprintf(&config, "store: { url: %q }\n", s.storeURL)
	}
	switch {
	case s.uncached:
		config.WriteString("cache: { lookup_ttl: 0s, credential_ttl: 0s }\n")
	case s.redisURL != "":
		fmt.Fprintf(&config, "cache: { redis_url: %q }\n", s.redisURL)
	}
	for name, text := range map[string]string{
		"drawbridge.yaml": config.String(),
		"htpasswd":        localUser + ":" + string(hash) + "\n",
		"htgroups":        "payments-dev: " + localUser + "\n",
		"policy.yaml":     policy(s.ldap != nil),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// policy returns a document of 300 bindings, of which two match requests for tokens.
func policy(ldap bool) string {
	connector := "local"
	subjects := `"group:local/payments-dev"`
	if ldap {
		connector = "corp"
		subjects += `, "group:corp/payments-dev"`
	}
	var b strings.Builder
	b.WriteString("bindings:\n  - { name: everyone-reads-public, role: puller, subjects: [anonymous, authenticated], repositories: [\"public/**\"] }\n")
	fmt.Fprintf(&b, "  - { name: audit, role: auditor, subjects: [\"user:local/%s\"] }\n", localUser)
	fmt.Fprintf(&b, "  - { name: payments-developers, role: pusher, subjects: [%s], repositories: [\"payments/**\"] }\n", subjects)
	for i := range 297 {
		fmt.Fprintf(&b, "  - { name: team-%[1]d, role: pusher, subjects: [\"group:%[2]s/team-%[1]d\"], repositories: [\"team-%[1]d/**\"] }\n", i, connector)
	}
	return b.String()
}

// The environment of the test binary when it is the baseline's server.
const (
	baselineToken = "BENCH_BASELINE_TOKEN" //nolint:gosec // the name of a variable
	baselineTLS   = "BENCH_BASELINE_TLS"
	// builtDir is where the program is built to.
	builtDir = "BENCH_BUILT_DIR"
)

// startBaseline runs this test binary as the baseline's server: a process of its
// own, as Drawbridge is.
func startBaseline(t testing.TB, scheme, token, tlsDir string) *bench.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), baselineToken+"="+token, baselineTLS+"="+tlsDir)
	return start(t, cmd, scheme, regexp.MustCompile(`^ready (\S+)$`))
}

func TestMain(m *testing.M) {
	if token := os.Getenv(baselineToken); token != "" {
		fmt.Fprintln(os.Stderr, serveBaseline(token, os.Getenv(baselineTLS)))
		os.Exit(1)
	}
	os.Exit(runTests(m))
}

// runTests runs the tests with a folder to build the program into.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "drawbridge-bench-")
	if err == nil {
		err = os.Setenv(builtDir, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return m.Run()
}

func serveBaseline(token, tlsDir string) error {
	handler, err := bench.Baseline(token)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/token", handler)
	mux.Handle("/verify", bench.Empty())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	fmt.Fprintf(os.Stderr, "ready %s\n", listener.Addr())
	if tlsDir == "" {
		return server.Serve(listener)
	}
	return errors.Join(server.ServeTLS(listener, filepath.Join(tlsDir, "server.crt"), filepath.Join(tlsDir, "server.key")))
}
