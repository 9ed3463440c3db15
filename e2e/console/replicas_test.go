package console

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// TestSessionOnEveryReplica: a session that began at one replica goes on at another,
// and who signs out at one is out at all.
func TestSessionOnEveryReplica(t *testing.T) {
	directory, postgres := testbed.StartSlapd(t), testbed.StartPostgres(t)
	replicas := testbed.StartReplicas(t, 2, testbed.ServerOptions{
		Config: configOf(directory) + fmt.Sprintf("store: { url: %q }\n", postgres.NewDatabase()),
		Files:  map[string]string{"policy.yaml": policy},
	})
	run(t, replicas.Servers[0], "policy", "apply", "policy.yaml", "--reason", "the tests")
	first, second := replicas.Servers[0], replicas.Servers[1]
	var session []*http.Cookie
	replicas.Await("alice signs in", func() bool {
		form := fetch(t, first, http.MethodGet, "/console/sign-in", nil, nil)
		token := regexp.MustCompile(`name="form_token" value="([^"]*)"`).FindStringSubmatch(form.text)[1]
		signedIn := fetch(t, first, http.MethodPost, "/console/sign-in", form.cookies, url.Values{
			"form_token": {token}, "username": {"alice"}, "password": {testbed.SeedPassword("alice")},
		})
		session = signedIn.cookies
		return signedIn.status == http.StatusSeeOther
	})
	var token string
	replicas.Await("the other replica knows her session and the policy", func() bool {
		page := fetch(t, second, http.MethodGet, "/console/policy", session, nil)
		if found := regexp.MustCompile(`name="form_token" value="([^"]*)"`).FindStringSubmatch(page.text); found != nil {
			token = found[1]
		}
		return page.status == http.StatusOK && strings.Contains(page.text, "payments-developers")
	})
	if out := fetch(t, second, http.MethodPost, "/console/sign-out", session, url.Values{"form_token": {token}}); out.status != http.StatusSeeOther {
		t.Fatalf("the sign-out: %d %s", out.status, out.text)
	}
	for i, s := range replicas.Servers {
		replicas.Await(fmt.Sprintf("a copy of the cookie is worthless at replica %d", i), func() bool {
			return fetch(t, s, http.MethodGet, "/console/policy", session, nil).status == http.StatusUnauthorized
		})
	}
}

type page struct {
	status  int
	text    string
	cookies []*http.Cookie
}

// fetch makes one request without following where it leads.
func fetch(t *testing.T, s *testbed.Server, method, path string, cookies []*http.Cookie, form url.Values) page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range cookies {
		if c.MaxAge >= 0 {
			req.AddCookie(c)
		}
	}
	client := s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{resp.StatusCode, string(data), resp.Cookies()}
}
