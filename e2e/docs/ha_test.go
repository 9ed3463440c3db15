package docs

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// docs/ha.md from its beginning: the CA, the accounts in PostgreSQL and Redis, and
// two replicas with the configuration of the page. A registry's trust anchor, what
// one remembers and what one is told hold for both.
func TestSeveralReplicas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &shell{t: t, dir: dir, env: os.Environ()}
	s.run(one(t, "ha-ca"))
	s.run(`openssl req -newkey rsa:2048 -nodes -x509 -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt`)

	postgres, redis := testbed.StartPostgres(t), testbed.StartRedis(t, testbed.RedisOptions{})
	s.run("psql --no-psqlrc -v ON_ERROR_STOP=1 '" + postgres.URL("postgres") + "' <<'END'\n" + one(t, "ha-postgres") + "END")
	_, redisPort, _ := strings.Cut(redis.Addr, ":")
	s.run("redis-cli() { command redis-cli -p " + redisPort + ` "$@"; }` + "\n" + one(t, "ha-redis-acl"))
	login := url.UserPassword("drawbridge", "change-this-password")
	for name, u := range map[string]url.URL{
		"store-url": {Scheme: "postgres", User: login, Host: postgres.Addr, Path: "/drawbridge", RawQuery: "sslmode=disable"},
		"redis-url": {Scheme: "redis", User: login, Host: redis.Addr},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(u.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.ReplaceAll(one(t, "ha-config"), "/etc/drawbridge", dir)
	config = strings.Replace(config, "drain_delay: 10s", "drain_delay: 100ms", 1)
	options := testbed.ServerOptions{
		Config: config + `
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
limits: { login_failures_per_minute: 4 }
`,
		Files: map[string]string{"htpasswd": testbed.HTPasswd(t, "admin", "badmin"), "policy.yaml": `
bindings: [{ name: admin, role: maintainer, subjects: ["user:local/admin"], repositories: ["**"] }]
`},
	}
	var replicas []*testbed.Server
	for range 2 {
		r := testbed.StartDrawbridge(t, options)
		r.CAFile, r.TrustFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "signing-ca.crt")
		replicas = append(replicas, r)
	}

	applied := testbed.RunDrawbridge(t, replicas[0].Dir, "", "policy", "apply", "policy.yaml", "--reason", "test", "--config", "drawbridge.yaml")
	if applied.Code != 0 {
		t.Fatalf("%+v", applied)
	}
	registry := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{
		Realm: replicas[0].URL + "/token", Service: "Docker registry", Issuer: "Acme auth server", RootCertBundle: replicas[0].TrustFile,
	})
	for i, r := range replicas {
		var answer testbed.TokenAnswer
		r.Await("the policy", func() bool {
			answer = r.Token("admin", "badmin", "repository:a/b:pull,push")
			return answer.Scope != ""
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, registry.URL+"/v2/a/b/blobs/uploads/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+answer.Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Errorf("the registry answers %d to a token of replica %d", resp.StatusCode, i)
		}
	}
	// The account of the page has the rights for counting wrong passwords together.
	refused := 0
	for i := range 12 {
		if replicas[i%2].Token("bob", "wrong "+strconv.Itoa(i)).Status == http.StatusUnauthorized {
			refused++
		}
	}
	if refused != 4 {
		t.Errorf("%d wrong passwords were tried at two replicas, with a limit of 4", refused)
	}
}

// The numbers of the page fit together: those of the configuration, the
// Deployment and the server.
func TestReplicasInKubernetes(t *testing.T) {
	t.Parallel()
	config, deployment := one(t, "ha-config"), one(t, "ha-kubernetes")
	find := func(text, pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s is not in\n%s", pattern, text)
		}
		return m[1]
	}
	seconds := func(text, pattern string) time.Duration {
		t.Helper()
		n, err := strconv.Atoi(find(text, pattern))
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * time.Second
	}
	const running = 20 * time.Second // what the server gives running requests
	delay := seconds(config, `drain_delay: ([0-9]+)s`)
	if grace := seconds(deployment, `terminationGracePeriodSeconds: ([0-9]+)`); grace <= delay+running {
		t.Errorf("SIGKILL comes after %s, with a drain of %s and %s", grace, delay, running)
	}
	if probe := seconds(deployment, `readinessProbe:[^#]*?periodSeconds: ([0-9]+)`); 2*probe >= delay {
		t.Errorf("a drain of %s is over before two probes, one every %s", delay, probe)
	}
	for key, name := range map[string]string{"addr": "https", "telemetry_addr": "telemetry"} {
		if port := find(config, `\b`+key+`: ":([0-9]+)"`); !strings.Contains(deployment, "name: "+name+", containerPort: "+port+" ") {
			t.Errorf("server.%s has port %s, and the Deployment another one", key, port)
		}
	}
}

// Each test that docs/ha.md names is there.
func TestOutagesAreTested(t *testing.T) {
	t.Parallel()
	root := testbed.Root(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "ha.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, outages, _ := strings.Cut(string(page), "## What an outage does")
	named := 0
	for line := range strings.Lines(outages) {
		tests := regexp.MustCompile("`([a-z0-9/]+)` `(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(line, -1)
		named += len(tests)
		if strings.HasPrefix(line, "| ") && !strings.Contains(line, "| shown by |") && len(tests) == 0 {
			t.Errorf("no test shows %s", line)
		}
		for _, m := range tests {
			if !testbed.HasTest(t, m[1], m[2]) {
				t.Errorf("%s has no %s", m[1], m[2])
			}
		}
	}
	if named == 0 {
		t.Error("docs/ha.md names no test")
	}
}
