package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

const policy = `
bindings:
  - { name: developers, role: pusher, subjects: ["group:corp/payments-dev"], repositories: ["payments/**"] }
  - { name: admins, role: policy-admin, subjects: ["user:local/local-admin"] }
`

// processes is how many logins the program answers at once.
const processes = 20

// people answers every login with the same person, by the protocol of
// docs/write-a-connector.md, and some of them late.
const people = `#!/bin/sh
while read -r request; do
	case $request in *hr-slow*) sleep 3 ;; esac
	id=$(printf '%s' "$request" | sed 's/.*"id":\([0-9]*\).*/\1/')
	echo "{\"version\":1,\"id\":$id,\"outcome\":\"granted\",\"identity\":{\"name\":\"hr-eve\",\"groups\":[]}}"
done
`

// world is everything that has metrics, and the Prometheus that reads them.
type world struct {
	*testbed.Replicas
	t          *testing.T
	directory  *testbed.Slapd
	postgres   *testbed.Postgres
	redis      *testbed.Redis
	prometheus *testbed.Prometheus
}

// start starts it. The provider of OpenID Connect is down from the beginning, and the
// second replica cannot write its audit log.
func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, directory: testbed.StartSlapd(t), postgres: testbed.StartPostgres(t), redis: testbed.StartRedis(t, testbed.RedisOptions{})}
	config := fmt.Sprintf(`
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
policy: { file: policy.yaml }
store: { url: %q }
cache: { redis_url: %q }
limits: { login_failures_per_minute: 0, requests_per_second: 10000 }
server: { drain_delay: 100ms }
tracing: { endpoint: "http://127.0.0.1:1" }
connectors:
  - { name: local, type: htpasswd, file: htpasswd, match: "local-*" }
  - { name: hr, type: exec, command: ["/bin/sh", "./people.sh"], mode: pooled, pool_size: %[7]d, timeout: 8s, match: "hr-*" }
  - name: sso
    type: oidc
    match: "*@example.com"
    issuer_url: "https://127.0.0.1:1"
    client_id: drawbridge
    client_secret: unused
  - name: corp
    type: ldap
    timeout: 3s
    urls: [%[3]q]
    bind_dn: %[4]q
    bind_password: %[5]q
    user: { base_dn: "ou=people,%[6]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid }
    groups: { mode: search, base_dn: "ou=groups,%[6]s", filter: "(member={dn})", name_attr: cn }
`, w.postgres.NewDatabase(), w.redis.URL(), w.directory.URL(), w.directory.BindDN, w.directory.BindPassword, w.directory.BaseDN, processes)
	w.Replicas = testbed.StartReplicas(t, 2, testbed.ServerOptions{
		Config: config,
		Files: map[string]string{
			"htpasswd": testbed.HTPasswd(t, "local-admin", "badmin"), "policy.yaml": policy, "people.sh": people,
		},
	}, nil, []string{"DRAWBRIDGE_AUDIT_FILE=/dev/full"})
	w.certificate(60)
	var targets []string
	for _, s := range w.Servers {
		targets = append(targets, strings.TrimPrefix(s.Telemetry, "http://"))
	}
	w.prometheus = testbed.StartPrometheus(t, testbed.Shown(t, "monitoring.md", "prometheus",
		"drawbridge-1.example.com:5002", targets[0], "drawbridge-2.example.com:5002", targets[1],
		"/etc/prometheus/", "", "scrape_interval: 15s", "scrape_interval: 500ms"),
		map[string]string{"drawbridge-alerts.yaml": read(t, alertsFile)})
	return w
}

// traffic is what every kind of client does, at both replicas.
func (w *world) traffic() {
	w.t.Helper()
	const push, pull = "repository:payments/api:pull,push", "repository:payments/api:pull"
	for _, s := range w.Servers {
		alice := s.Ask(testbed.TokenRequest{User: "alice", Password: testbed.SeedPassword("alice"), Scopes: []string{push}, Form: true, Offline: true})
		s.Token("", "", pull)
		for _, login := range [][2]string{{"alice", "wrong"}, {"local-admin", "badmin"}, {"hr-eve", "x"}, {"carol@example.com", "x"}} {
			s.Token(login[0], login[1])
		}
		w.send(s, http.MethodPost, "/token", "", url.Values{"grant_type": {"refresh_token"}, "service": {"Docker registry"}, "refresh_token": {alice.RefreshToken}})
		for _, path := range []string{"/verify", "/.well-known/jwks.json", "/console/", "/api/v1/policy", "/nowhere"} {
			w.send(s, http.MethodGet, path, alice.Token, nil)
		}
		w.send(s, http.MethodPost, "/oauth2/introspect", "", url.Values{"token": {alice.Token}})
	}
}

func (w *world) send(s *testbed.Server, method, path, bearer string, form url.Values) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
		r.Header.Set("X-Drawbridge-Service", "Docker registry")
	}
	client := s.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// scraped waits until Prometheus has read every replica n more times, so that what
// was done before is in what it answers.
func (w *world) scraped(n int) {
	w.t.Helper()
	count := func(instance string) float64 {
		for _, s := range w.prometheus.Query(`count_over_time(up{instance="` + instance + `"}[1h])`) {
			return s.Value
		}
		return 0
	}
	for _, s := range w.Servers {
		instance := strings.TrimPrefix(s.Telemetry, "http://")
		before := count(instance)
		w.prometheus.Await("a scrape of "+instance, func() bool { return count(instance) >= before+float64(n) })
	}
}

// dashboard returns the queries of the dashboard, with its variables filled in.
func dashboard(t *testing.T) map[string]string {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$job", "drawbridge", "$instance", ".*")
	for _, panel := range board.Panels {
		for i, target := range panel.Targets {
			queries[fmt.Sprintf("%s (%d)", panel.Title, i)] = fill.Replace(target.Expr)
		}
	}
	return queries
}
