package replicas

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// emergency is the policy with an administrator who is known to the directory alone.
const emergency = `
bindings:
  - { name: developers, role: pusher, subjects: ["group:corp/payments-dev"], repositories: ["payments/**"] }
  - { name: public, role: puller, subjects: [anonymous, authenticated], repositories: ["public/**"] }
  - { name: everybody, role: pusher, subjects: [authenticated], repositories: ["scratch/**"] }
  - { name: admins, role: policy-admin, subjects: ["user:corp/carol"] }
`

// The directory is down, nobody who administers can log in, and a role must change:
// break-glass, armed on the host of one replica, works at both, changes the policy,
// grants nothing at registries, and is over at both as soon as it is disarmed.
func TestBreakGlass(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := start(t, parts{redisURL: redis.URL()})
	w.Servers[0].WriteFile("emergency.yaml", emergency)
	w.run("policy", "apply", "emergency.yaml", "--reason", "the tests")
	client := newClient(t, w.CAFile, func(*http.Transport) {})
	b := &glass{world: w, client: client, carol: person{"carol", testbed.SeedPassword("carol")}}

	w.directory.Stop()
	b.await("the administrator cannot log in", b.carol, http.StatusServiceUnavailable)
	b.await("break-glass is not armed", person{"breakglass", "dbglass_" + strings.Repeat("x", 43)}, http.StatusUnauthorized)
	b.arm()
	b.await("break-glass administers", b.who, http.StatusOK)
	b.await("a wrong password", person{"breakglass", b.who.password + "x"}, http.StatusUnauthorized)
	held := b.registries()
	b.changePolicy()
	b.isLoud()

	w.run("breakglass", "disarm")
	disarmed := time.Now()
	for i, s := range w.Servers {
		if status := b.status(s, b.who); status == http.StatusOK {
			t.Errorf("replica %d lets it in %s after it was disarmed", i, time.Since(disarmed))
		}
		w.Await(fmt.Sprintf("replica %d refuses its token", i), func() bool { return b.verify(s, held) == http.StatusForbidden })
		w.Await(fmt.Sprintf("the metric of replica %d", i), func() bool { return s.Metrics()["drawbridge_break_glass_armed"] == 0 })
		b.recorded(s, audit.BreakglassEnded)
	}
	b.await("break-glass is over", b.who, http.StatusUnauthorized)
	w.directory.Start()
	b.await("the administrator is back", b.carol, http.StatusOK)
}

// glass uses break-glass.
type glass struct {
	*world
	client     *http.Client
	carol, who person
}

// arm arms it on the first replica's host.
func (b *glass) arm() {
	b.t.Helper()
	var out struct{ Username, Password string }
	text := b.run("breakglass", "arm", "--for", "30m", "--reason", "LDAP is down, INC-4711", "-o", "json")
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Username != "breakglass" {
		b.t.Fatalf("%v: %s", err, text)
	}
	b.who = person{out.Username, out.Password}
}

// api calls the API as somebody.
func (b *glass) api(s *testbed.Server, p person, method, path, match, body string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, s.URL+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.SetBasicAuth(p.username, p.password)
	if match != "" {
		req.Header.Set("If-Match", match)
		req.Header.Set("Content-Type", "application/json")
	}
	return do(b.client, req)
}

func (b *glass) status(s *testbed.Server, p person) int {
	b.t.Helper()
	return b.api(s, p, http.MethodGet, "/policy", "", "").status
}

// await waits until both replicas answer somebody so.
func (b *glass) await(what string, p person, status int) {
	b.t.Helper()
	for i, s := range b.Servers {
		b.Await(fmt.Sprintf("replica %d: %s", i, what), func() bool { return b.status(s, p) == status })
	}
}

// registries shows that a registry is told nothing that it is not told of anybody,
// also where the policy is for everybody who has logged in. It returns a token.
func (b *glass) registries() string {
	b.t.Helper()
	got := b.Servers[0].Token(b.who.username, b.who.password,
		"repository:public/app:pull,push", "repository:scratch/x:push", "repository:payments/api:pull")
	if got.Scope != "repository:public/app:pull" || got.RefreshToken != "" {
		b.t.Errorf("a registry is told %q: %s", got.Scope, got.Body)
	}
	for i, s := range b.Servers {
		b.Await(fmt.Sprintf("replica %d takes its token", i), func() bool { return b.verify(s, got.Token) == http.StatusOK })
	}
	return got.Token
}

func (b *glass) verify(s *testbed.Server, token string) int {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, s.URL+"/verify", http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return do(b.client, req).status
}

// changePolicy saves a policy at one replica; alice, whom the replicas remember, may
// do more at the other.
func (b *glass) changePolicy() {
	b.t.Helper()
	before := b.api(b.Servers[1], b.who, http.MethodGet, "/policy", "", "")
	draft, err := json.Marshal(map[string]string{
		"reason": "INC-4711",
		"text":   emergency + `  - { name: now, role: pusher, subjects: ["user:corp/alice"], repositories: ["release/**"] }` + "\n",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	saved := b.api(b.Servers[1], b.who, http.MethodPut, "/policy", before.header.Get("ETag"), string(draft))
	if saved.status != http.StatusOK || !strings.Contains(saved.body, `"author":"breakglass/breakglass"`) {
		b.t.Fatalf("save: %d %s", saved.status, saved.body)
	}
	b.Await("the other replica has it", func() bool {
		return b.Servers[0].Token("alice", testbed.SeedPassword("alice"), "repository:release/x:push").Scope != ""
	})
}

// isLoud looks for what operators see.
func (b *glass) isLoud() {
	b.t.Helper()
	for i, s := range b.Servers {
		if s.Metrics()["drawbridge_break_glass_armed"] != 1 {
			b.t.Errorf("the metric of replica %d does not say so", i)
		}
		b.recorded(s, audit.BreakglassArmed)
		b.recorded(s, audit.BreakglassUsed)
		warned := 0
		for _, line := range s.Log() {
			if line.Level == "WARN" && strings.Contains(line.Message, "break-glass") {
				warned++
			}
		}
		if warned < 2 {
			b.t.Errorf("the log of replica %d has %d warnings", i, warned)
		}
		if strings.Contains(s.Output(), b.who.password) {
			b.t.Errorf("the password is in what replica %d prints", i)
		}
	}
}

// recorded waits for an event with the reason that it was armed for.
func (b *glass) recorded(s *testbed.Server, action audit.Action) {
	b.t.Helper()
	b.Await(string(action), func() bool {
		return slices.ContainsFunc(s.Audit(), func(e audit.Event) bool { return e.Action == action && e.Note == "LDAP is down, INC-4711" })
	})
}
