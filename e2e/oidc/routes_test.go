package oidc_test

import (
	"fmt"
	"net/http"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

const (
	anna, bert = "anna@one.example", "bert@two.example"
	// twin is a person of one.example. A directory behind the other provider has an
	// entry of the same name with another password.
	twin = "twin@one.example"
)

// company is one provider with its people.
type company struct {
	*testbed.Dex
	people *testbed.Slapd
}

func found(t *testing.T, people ...testbed.Person) *company {
	t.Helper()
	c := &company{people: testbed.StartSlapd(t)}
	for _, p := range people {
		p.Mail = p.UID
		c.people.AddPerson(p)
	}
	c.Dex = testbed.StartDex(t, c.people)
	return c
}

// seen is what a company has been asked about people.
type seen struct{ tokens, binds int }

func (c *company) seen() seen { return seen{c.Tokens(), c.people.Binds()} }

// twoProviders starts a server with an htpasswd file and the companies after it,
// each for its own domain.
func twoProviders(t *testing.T, one, two *company) *testbed.Server {
	t.Helper()
	connector := func(name, match string, c *company) string {
		return fmt.Sprintf(`
  - name: %s
    type: oidc
    match: %q
    issuer_url: %q
    issuer_ca_file: %q
    client_id: %q
    client_secret_file: secret
    username_claim: preferred_username
    grace: 0s
`, name, match, c.IssuerURL, c.CAFile, testbed.DexClientID)
	}
	return testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: `
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
policy: { file: policy.yaml }
cache: { lookup_ttl: 0s, credential_ttl: 0s }
limits: { login_failures_per_minute: 0 }
connectors:
  - { name: local, type: htpasswd, file: htpasswd }
` + connector("one", "*@one.example", one) + connector("two", "*@two.example", two),
		Files: map[string]string{
			"htpasswd": testbed.HTPasswd(t, "admin", "local-pw", "local@two.example", "local-pw"),
			"secret":   testbed.DexClientSecret + "\n",
			"policy.yaml": `
bindings:
  - { name: everybody, role: puller, subjects: [authenticated], repositories: ["public/**"] }
`},
	})
}

// TestTwoProviders: an htpasswd file and two providers, routed by the domain. Whoever
// belongs to one is never shown to the other; an outage of one is none of the other.
func TestTwoProviders(t *testing.T) {
	one := found(t, testbed.Person{UID: anna}, testbed.Person{UID: twin})
	two := found(t, testbed.Person{UID: bert}, testbed.Person{UID: twin, Password: "the other twin"}, testbed.Person{UID: "x@one.example@two.example"})
	s := twoProviders(t, one, two)
	// ask logs in and checks the status and how often each company was asked.
	ask := func(user, password string, status, atOne, atTwo int) {
		t.Helper()
		beforeOne, beforeTwo := one.seen(), two.seen()
		answer := s.Token(user, password, "repository:public/app:pull")
		if answer.Status != status {
			t.Errorf("%s: status %d, want %d: %s", user, answer.Status, status, answer.Body)
		}
		if status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", user)
		}
		check := func(name string, c *company, before seen, want int) {
			t.Helper()
			now := c.seen()
			if got := now.tokens - before.tokens; got != want {
				t.Errorf("%s: the provider %s was asked %d times, want %d", user, name, got, want)
			}
			if want == 0 && now.binds != before.binds {
				t.Errorf("%s: the directory behind %s saw a bind", user, name)
			}
		}
		check("one", one, beforeOne, atOne)
		check("two", two, beforeTwo, atTwo)
	}
	known := func(user string) {
		t.Helper()
		s.AwaitAudit("a login of "+user, func(e audit.Event) bool { return e.User == user && e.Outcome == audit.Success })
	}

	for range 2 {
		ask(anna, testbed.SeedPassword(anna), http.StatusOK, 1, 0)
		ask(bert, testbed.SeedPassword(bert), http.StatusOK, 0, 1)
		ask("admin", "local-pw", http.StatusOK, 0, 0)
	}
	known("one/" + anna)
	known("two/" + bert)
	known("local/admin")

	// Refusals stay where they belong, whoever else knows the name or the password.
	ask(anna, "wrong", http.StatusUnauthorized, 1, 0)
	ask(bert, "wrong", http.StatusUnauthorized, 0, 1)
	ask(twin, "the other twin", http.StatusUnauthorized, 1, 0)
	ask(twin, testbed.SeedPassword(twin), http.StatusOK, 1, 0)
	ask("local@two.example", "wrong", http.StatusUnauthorized, 0, 0) // the file knows that name
	ask("local@two.example", "local-pw", http.StatusOK, 0, 0)
	ask("ANNA@One.Example", testbed.SeedPassword(anna), http.StatusOK, 1, 0)
	ask("x@one.example@two.example", testbed.SeedPassword("x@one.example@two.example"), http.StatusOK, 0, 1)
	for _, nobodys := range []string{"anna", "anna@three.example", "anna@one.example.evil", "anna@one.example "} {
		ask(nobodys, testbed.SeedPassword(anna), http.StatusUnauthorized, 0, 0)
	}

	one.Stop()
	ask(anna, testbed.SeedPassword(anna), http.StatusServiceUnavailable, 0, 0)
	ask(anna, "wrong", http.StatusServiceUnavailable, 0, 0)
	ask(twin, "the other twin", http.StatusServiceUnavailable, 0, 0)
	ask(bert, testbed.SeedPassword(bert), http.StatusOK, 0, 1)
	ask("admin", "local-pw", http.StatusOK, 0, 0)
	if !s.Ready() {
		t.Error("the server is not ready because one provider is down")
	}
	one.Start()
	s.Await("logins at the provider that is back", func() bool {
		return s.Token(anna, testbed.SeedPassword(anna)).Status == http.StatusOK
	})
	two.Stop()
	ask(bert, testbed.SeedPassword(bert), http.StatusServiceUnavailable, 0, 0)
	ask(anna, testbed.SeedPassword(anna), http.StatusOK, 1, 0)

	m := s.Metrics()
	for _, series := range []string{
		`drawbridge_oidc_metadata_loaded{connector="one"}`, `drawbridge_oidc_metadata_loaded{connector="two"}`,
		`drawbridge_oidc_request_duration_seconds_count{connector="one",op="token",outcome="ok"}`,
		`drawbridge_oidc_request_duration_seconds_count{connector="one",op="token",outcome="failed"}`,
		`drawbridge_oidc_request_duration_seconds_count{connector="two",op="token",outcome="refused"}`,
	} {
		if m[series] < 1 {
			t.Errorf("%s is %v", series, m[series])
		}
	}
}

// TestOneProviderDownAtStart: the server starts, serves the other and the file, and
// finds the provider when it comes.
func TestOneProviderDownAtStart(t *testing.T) {
	one, two := found(t, testbed.Person{UID: anna}), found(t, testbed.Person{UID: bert})
	one.Stop()
	s := twoProviders(t, one, two)
	if got := s.Token(anna, testbed.SeedPassword(anna)).Status; got != http.StatusServiceUnavailable {
		t.Errorf("anna: status %d", got)
	}
	for user, password := range map[string]string{bert: testbed.SeedPassword(bert), "admin": "local-pw"} {
		if answer := s.Token(user, password); answer.Status != http.StatusOK {
			t.Errorf("%s: status %d: %s", user, answer.Status, answer.Body)
		}
	}
	one.Start()
	s.Await("logins at the provider that came late", func() bool {
		return s.Token(anna, testbed.SeedPassword(anna)).Status == http.StatusOK
	})
}
