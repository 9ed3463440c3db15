package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// Without Drawbridge nobody says that a request may pass, and so none does.
func TestDrawbridgeDown(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			r := registry(t, s, testbed.Registry311)
			g := kind.start(t, s, r.Addr)
			token := tokenFor(t, s, alice, alicePW)
			c := through(t, s, g, token)
			c.do(http.MethodGet, "/v2/", nil).want(t, "before", http.StatusOK)
			p := startPush(c)
			p.chunk("the first chunk").want(t, "the first chunk", http.StatusAccepted)
			s.Stop()
			for what, a := range map[string]answer{
				"a token":  c.do(http.MethodGet, "/v2/", nil),
				"no token": through(t, s, g, "").do(http.MethodGet, "/v2/", nil),
				"a chunk":  p.chunk("the next chunk"),
			} {
				if a.status < 500 {
					t.Errorf("%s: status %d while nobody can be asked: %s", what, a.status, a.body)
				}
				if kind.name == "nginx" {
					a.want(t, what, http.StatusServiceUnavailable, "UNAVAILABLE")
					if a.header.Get("Retry-After") == "" {
						t.Errorf("%s: no Retry-After", what)
					}
				}
			}
			caller{t, s.Client(), r.URL, token}.do(http.MethodGet, "/v2/", nil).want(t, "the registry itself", http.StatusOK)
		})
	}
}

// While the store does not answer, a good token is not let through, and nobody is
// told that something was revoked. When it is back, everything works by itself.
func TestStoreDown(t *testing.T) {
	database := testbed.StartPostgres(t)
	s := serve(t, "store: { url: \""+database.NewDatabase()+"\" }\n")
	r := registry(t, s, testbed.Registry311)
	gateways := map[string]*testbed.Gateway{}
	for _, kind := range kinds() {
		gateways[kind.name] = kind.start(t, s, r.Addr)
	}
	token, second := tokenFor(t, s, alice, alicePW), tokenFor(t, s, alice, alicePW)
	status := func(g *testbed.Gateway, token string) answer {
		return through(t, s, g, token).do(http.MethodGet, "/v2/", nil)
	}
	await := func(what string, want int) {
		t.Helper()
		for name, g := range gateways {
			s.Await(name+": "+what, func() bool { return status(g, token).status == want })
		}
	}
	await("a good token", http.StatusOK)

	database.Stop()
	await("a good token without the store", http.StatusServiceUnavailable)
	for name, g := range gateways {
		status(g, token).want(t, name, http.StatusServiceUnavailable, `"code":"UNAVAILABLE"`, "revoked")
		status(g, "").want(t, name+", no token", http.StatusUnauthorized)
		status(g, "forged").want(t, name+", forged", http.StatusUnauthorized)
	}
	post := func(path, token string, header ...string) answer {
		form := url.Values{"token": {token}}.Encode()
		return caller{t, s.Client(), s.URL, ""}.do(http.MethodPost, path, strings.NewReader(form),
			append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
	}
	a := post("/oauth2/revoke", second).want(t, "revoke", http.StatusServiceUnavailable, "temporarily_unavailable", "not revoked")
	if a.header.Get("Retry-After") == "" {
		t.Error("revoke: no Retry-After")
	}
	basic := []string{"Authorization", "Basic " + basicOf(auditor, auditorPW)}
	post("/oauth2/introspect", token, basic...).want(t, "introspect", http.StatusServiceUnavailable, "temporarily_unavailable")

	database.Restart()
	await("a good token when the store is back", http.StatusOK)
	for name, g := range gateways {
		status(g, second).want(t, name+": what was not revoked", http.StatusOK)
	}
	post("/oauth2/revoke", second).want(t, "revoke", http.StatusOK)
	for name, g := range gateways {
		status(g, second).want(t, name+": what was revoked", http.StatusForbidden)
	}
	post("/oauth2/introspect", token, basic...).want(t, "introspect", http.StatusOK, `"active":true`, `"sub":"local/alice"`)
	if got := post("/oauth2/introspect", second, basic...).body; got != `{"active":false}` {
		t.Errorf("introspect what was revoked: %s", got)
	}
}
