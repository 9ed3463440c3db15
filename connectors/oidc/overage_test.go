package oidc

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/measure/measuretest"
	"drawbridge/identity"
)

// graph is a server in the place of Microsoft Graph, which no test can have.
type graph struct {
	srv *httptest.Server

	mu       sync.Mutex
	requests []string // method, address and body of each
	tokens   map[string]bool
}

// newGraph starts one whose answers are the handler's.
func newGraph(t *testing.T, answer http.HandlerFunc) *graph {
	t.Helper()
	g := &graph{tokens: map[string]bool{}}
	g.srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		g.mu.Lock()
		g.requests = append(g.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery+" "+string(body)))
		g.tokens[r.Header.Get("Authorization")] = true
		g.mu.Unlock()
		answer(w, r)
	}))
	g.srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(g.srv.Close)
	return g
}

func (g *graph) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests
}

// collection is an OData answer.
func collection(next string, value ...any) string {
	answer := map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)", "value": value}
	if value == nil {
		answer["value"] = []any{}
	}
	if next != "" {
		answer["@odata.nextLink"] = next
	}
	text, _ := json.Marshal(answer)
	return string(text)
}

func group(id string) any {
	return map[string]any{"@odata.type": "#microsoft.graph.group", "id": id, "displayName": "Name of " + id}
}

const (
	action = "/v1.0/me/getMemberGroups"
	list   = "/v1.0/me/transitiveMemberOf/microsoft.graph.group"
)

// fetching lets a connector fetch groups at that path of the server.
func fetching(g *graph, path string) func(*configs.Connector, *Deps) {
	return func(cfg *configs.Connector, _ *Deps) { cfg.OIDC.GroupsOverageURL = g.srv.URL + path }
}

// tooMany are the claims of a token that leaves the groups out; the address in them
// is somebody else's.
func tooMany(endpoint string) map[string]any {
	return map[string]any{
		"groups": nil, "_claim_names": map[string]any{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": endpoint}},
	}
}

// TestOverageIsFetched from the configured address, whatever the token names, with
// the access token of the login.
func TestOverageIsFetched(t *testing.T) {
	evil := newGraph(t, say(200, collection("", "admins")))
	for name, claims := range map[string]map[string]any{
		"claim names": tooMany(evil.srv.URL + "/me/getMemberObjects"), "hasgroups": {"groups": nil, "hasgroups": true},
		"some groups and hasgroups": {"groups": []string{"stale"}, "hasgroups": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			g, reg := newGraph(t, say(200, collection("", "g-2", "g-1", "g-2"))), prometheus.NewRegistry()
			p, key := newIDP(t), newSigner(t, "k1")
			p.serve(key, claims)
			got := login(p.connector(func(cfg *configs.Connector, deps *Deps) {
				fetching(g, action)(cfg, deps)
				measured(reg, "sso")(cfg, deps)
			}))
			check(t, got, connectors.Granted(identity.Identity{}), "")
			if diff := cmp.Diff([]string{"g-1", "g-2"}, got.Identity().Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{`POST ` + action + `? {"securityEnabledOnly":true}`}, g.seen()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if !g.tokens["Bearer at-secret"] || len(g.tokens) != 1 {
				t.Errorf("the credentials were %v", g.tokens)
			}
			if n := p.userinfos.Load(); n != 0 {
				t.Errorf("userinfo was asked %d times although nothing was missing", n)
			}
			if n := measuretest.Series(t, reg, "drawbridge_oidc_")["request_duration_seconds sso overage ok"]; n != 1 {
				t.Errorf("%v requests were measured", n)
			}
		})
	}
	if n := len(evil.seen()); n != 0 {
		t.Errorf("the address in the token was asked %d times", n)
	}
}

// TestOverageInUserinfo is fetched as well.
func TestOverageInUserinfo(t *testing.T) {
	g := newGraph(t, say(200, collection("", "g-1")))
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, map[string]any{"groups": nil})
	p.set(func() { p.userinfo = say(200, `{"sub":"sub-1","_claim_names":{"groups":"src1"}}`) })
	got := login(p.connector(fetching(g, action)))
	check(t, got, connectors.Granted(identity.Identity{}), "")
	if diff := cmp.Diff([]string{"g-1"}, got.Identity().Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

// TestNoOverageNoFetch: groups in the token, and none at all, are taken at their word.
func TestNoOverageNoFetch(t *testing.T) {
	g := newGraph(t, say(200, collection("", "g-1")))
	p, key := newIDP(t), newSigner(t, "k1")
	for _, claims := range []map[string]any{nil, {"groups": nil}, {"groups": nil, "hasgroups": false}} {
		p.serve(key, claims)
		check(t, login(p.connector(fetching(g, action))), connectors.Granted(identity.Identity{}), "")
	}
	if n := len(g.seen()); n != 0 {
		t.Errorf("groups were fetched %d times", n)
	}
	// Roles that are left out are not what this fetches.
	p.serve(key, map[string]any{
		"_claim_names":   map[string]any{"roles": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.example/x"}},
	})
	check(t, login(p.connector(func(cfg *configs.Connector, deps *Deps) {
		fetching(g, action)(cfg, deps)
		cfg.OIDC.GroupsClaim = "roles"
	})), connectors.Misconfigured(nil), "overage")
}

// TestOveragePages follows the pages of a list, all of them.
func TestOveragePages(t *testing.T) {
	var g *graph
	g = newGraph(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("$skiptoken") {
		case "":
			_, _ = io.WriteString(w, collection(g.srv.URL+list+"?$skiptoken=2", group("g-1"), group("g-2")))
		case "2":
			_, _ = io.WriteString(w, collection(g.srv.URL+"/v1.0/users/7/transitiveMemberOf?$skiptoken=3"))
		case "3":
			_, _ = io.WriteString(w, collection("", group("g-3")))
		}
	})
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, tooMany("https://graph.example/x"))
	got := login(p.connector(fetching(g, list)))
	check(t, got, connectors.Granted(identity.Identity{}), "")
	if diff := cmp.Diff([]string{"g-1", "g-2", "g-3"}, got.Identity().Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	want := []string{"GET " + list + "?%24select=id&%24top=999", "GET " + list + "?$skiptoken=2", "GET /v1.0/users/7/transitiveMemberOf?$skiptoken=3"}
	if diff := cmp.Diff(want, g.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestOverageLeadsNowhereElse: a page that names another server, or a redirect, gets
// no access token there.
func TestOverageLeadsNowhereElse(t *testing.T) {
	evil := newGraph(t, say(200, collection("", group("admins"))))
	plain := strings.Replace(evil.srv.URL, "https:", "http:", 1)
	for name, answer := range map[string]http.HandlerFunc{
		"another server": say(200, collection(evil.srv.URL+list, group("g-1"))),
		"without TLS":    say(200, collection(plain+list, group("g-1"))),
		"no scheme":      say(200, collection("//"+strings.TrimPrefix(evil.srv.URL, "https://")+list, group("g-1"))),
		"not an address": say(200, collection("https://[::1", group("g-1"))),
		"credentials":    say(200, collection("https://a:b@"+strings.TrimPrefix(evil.srv.URL, "https://"), group("g-1"))),
		"a path":         say(200, collection(list, group("g-1"))),
		"a redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.srv.URL+list, http.StatusFound) },
		"a redirect, kept": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, evil.srv.URL+list, http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGraph(t, answer)
			p, key := newIDP(t), newSigner(t, "k1")
			p.serve(key, tooMany(evil.srv.URL))
			check(t, login(p.connector(fetching(g, list))), connectors.Unavailable(nil), "groups overage")
			if n := len(g.seen()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	if n := len(evil.seen()); n != 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}

// TestOverageFailsClosed: whatever is not the whole answer is none.
func TestOverageFailsClosed(t *testing.T) {
	odata := func(code string) string {
		return fmt.Sprintf(`{"error":{"code":%q,"message":"for alice@example.com with at-secret"}}`, code)
	}
	many := make([]any, maxGroups+1)
	for i := range many {
		many[i] = fmt.Sprint("g-", i)
	}
	unavailable, misconfigured := connectors.Unavailable(nil), connectors.Misconfigured(nil)
	for _, tt := range []struct {
		name, path string
		answer     http.HandlerFunc
		want       connectors.Outcome
		cause      string
	}{
		{"no permission", action, say(403, odata("Authorization_RequestDenied")), misconfigured, "User.Read"},
		{"not a token for Graph", action, say(401, odata("InvalidAuthenticationToken")), misconfigured, "InvalidAuthenticationToken"},
		{"over 11,000", action, say(400, odata("Directory_ResultSizeLimitExceeded")), unavailable, "transitiveMemberOf"},
		{"throttled", action, say(429, odata("TooManyRequests")), unavailable, "429"},
		{"down", action, say(503, "maintenance for alice@example.com"), unavailable, "503"},
		{"gone", action, say(404, odata("at-secret alice")), unavailable, "error code none"},
		{"created", action, say(201, collection("", "g-1")), unavailable, "201"},
		{"no JSON", action, say(200, "<html>at-secret"), unavailable, "not the JSON"},
		{"nothing", action, say(200, ""), unavailable, "not the JSON"},
		{"half", action, say(200, `{"value":["g-1"`), unavailable, "not the JSON"},
		{"null", action, say(200, "null"), unavailable, "not the JSON"},
		{"no value", action, say(200, `{"@odata.context":"x"}`), unavailable, "not the JSON"},
		{"value is null", action, say(200, `{"value":null}`), unavailable, "not the JSON"},
		{"value is one", action, say(200, `{"value":"g-1"}`), unavailable, "not the JSON"},
		{"no groups at all", action, say(200, collection("")), unavailable, "names none"},
		{"a number", action, say(200, collection("", "g-1", 7)), unavailable, "not the JSON"},
		{"a null", action, say(200, collection("", "g-1", nil)), unavailable, "not the JSON"},
		{"an empty ID", action, say(200, collection("", "g-1", "")), unavailable, "not the JSON"},
		{"objects of an action", action, say(200, collection("", group("g-1"))), unavailable, "not the JSON"},
		{"pages of an action", action, say(200, collection("https://127.0.0.1/x", "g-1")), unavailable, "in pages"},
		{"strings of a list", list, say(200, collection("", "g-1")), unavailable, "not the JSON"},
		{"a group without an ID", list, say(200, collection("", group("g-1"), map[string]any{"displayName": "x"})), unavailable, "not the JSON"},
		{"no groups in a list", list, say(200, collection("")), unavailable, "names none"},
		{"too many", action, say(200, collection("", many...)), unavailable, "more than 4096"},
		{"too long", action, say(200, `{"value":["`+strings.Repeat("x", maxBody)+`"]}`), unavailable, "bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGraph(t, tt.answer)
			p, key := newIDP(t), newSigner(t, "k1")
			p.serve(key, tooMany("https://graph.example/x"))
			check(t, login(p.connector(fetching(g, tt.path))), tt.want, tt.cause)
			if n := len(g.seen()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestEndlessOverage: pages that never end are bounded in number and in time.
func TestEndlessOverage(t *testing.T) {
	var g *graph
	g = newGraph(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, collection(g.srv.URL+list+"?$skiptoken=again", group("g-1")))
	})
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, tooMany("https://graph.example/x"))
	check(t, login(p.connector(fetching(g, list))), connectors.Unavailable(nil), "do not end")
	if n := len(g.seen()); n != maxPages {
		t.Errorf("%d requests", n)
	}

	hang := make(chan struct{})
	defer close(hang)
	slow := newGraph(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	check(t, login(p.connector(func(cfg *configs.Connector, deps *Deps) {
		fetching(slow, list)(cfg, deps)
		cfg.Timeout = 500 * time.Millisecond
	})), connectors.Unavailable(nil), "groups overage")
	slow.srv.Close()
	check(t, login(p.connector(fetching(slow, list))), connectors.Unavailable(nil), "groups overage")
}

// TestOverageWithoutAccessToken: some providers issue an ID token alone.
func TestOverageWithoutAccessToken(t *testing.T) {
	g := newGraph(t, say(200, collection("", "g-1")))
	p, key := newIDP(t), newSigner(t, "k1")
	p.serve(key, nil)
	token := key.sign(p.claims(tooMany("https://graph.example/x")))
	p.set(func() {
		p.answer = func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]any{"id_token": token}) }
	})
	check(t, login(p.connector(fetching(g, action))), connectors.Misconfigured(nil), "no access token")
	if n := len(g.seen()); n != 0 {
		t.Errorf("%d requests without a token", n)
	}
}
