package admin_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/sessions"
)

// robot is the body that makes one.
func robotBody(name, owner string) string {
	return `{"name":"` + name + `","owner":"` + owner + `","ttl_seconds":86400,"reason":"JIRA-3"}`
}

func TestWhoMayDoWhatWithResources(t *testing.T) {
	w := newWorld(t)
	if a := w.do("root", "POST", "/api/v1/robots", robotBody("web-ci", "corp/dev")); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	reads := []string{
		"GET /robots", "GET /robots/web-ci", "GET /keys", "GET /connectors", "GET /connectors/test?username=alice", "GET /registries",
		"GET /sessions?person=corp/alice",
	}
	writes := []string{
		"DELETE /robots/web-ci", "POST /robots/web-ci/rotate {}", `PATCH /robots/web-ci {"disabled":true}`, "POST /robots " + robotBody("web-2", "corp/dev"),
		`POST /sessions/revoke {"person":"corp/alice"}`, `POST /people/forget {"who":"corp/alice"}`, "POST /tokens/some-jti/revoke {}", "POST /keys/rotate {}",
	}
	try := func(who, what string) int {
		t.Helper()
		method, rest, _ := strings.Cut(what, " ")
		path, body, _ := strings.Cut(rest, " ")
		if method != "GET" && who != "root" { // and not the dry run either
			if a := w.do(who, method, "/api/v1"+path+"?dry_run=true", body, "If-Match", `"x"`); a.status < 400 {
				t.Errorf("%s: dry run of %s: %d", who, what, a.status)
			}
		}
		return w.do(who, method, "/api/v1"+path, body, "If-Match", `"x"`).status
	}
	for _, what := range reads {
		for who, want := range map[string]int{"": 401, "root!": 401, "bob": 403, "eve": 200, "root": 200} {
			if got := try(who, what); got != want {
				t.Errorf("%s by %q: %d, want %d", what, who, got, want)
			}
		}
	}
	for _, what := range writes {
		for who, want := range map[string]int{"": 401, "bob": 403, "lead": 403, "eve": 403} {
			if got := try(who, what); got != want {
				t.Errorf("%s by %q: %d, want %d", what, who, got, want)
			}
		}
	}
	for _, what := range writes[:3] { // the If-Match is of nothing there
		if got := try("root", what); got != 412 {
			t.Errorf("%s with another version: %d", what, got)
		}
	}
	if a := w.do("bob", "GET", "/api/v1/sessions", ""); a.status != 200 || strings.Contains(a.text, `"id"`) {
		t.Errorf("one's own sessions: %d %s", a.status, a.text)
	}
	if a := w.do("root", "PATCH", "/api/v1/robots/web-ci", `{"disabled":true}`); a.status != 428 {
		t.Errorf("without If-Match: %d %s", a.status, a.text)
	}
}

func TestRobots(t *testing.T) {
	w := newWorld(t)
	if a := w.do("root", "POST", "/api/v1/robots?dry_run=true", robotBody("payments-ci", "corp/dev")); a.status != 201 || a.body["secret"] != nil {
		t.Fatalf("dry run: %d %s", a.status, a.text)
	}
	made := w.do("lead", "POST", "/api/v1/robots", robotBody("payments-ci", "corp/dev"))
	if secret, _ := made.body["secret"].(string); made.status != 201 || len(secret) < 20 || made.body["created_by"] != "corp/lead" {
		t.Fatalf("%d %s", made.status, made.text)
	}
	if a := w.do("lead", "POST", "/api/v1/robots", robotBody("payments-ci", "corp/dev")); a.status != 409 {
		t.Errorf("twice: %d %s", a.status, a.text)
	}
	if a := w.do("lead", "POST", "/api/v1/robots?dry_run=true", robotBody("payments-ci", "corp/dev")); a.status != 409 {
		t.Errorf("twice, as a dry run: %d %s", a.status, a.text)
	}
	for _, name := range []string{"payments-b", "payments-c"} {
		w.do("root", "POST", "/api/v1/robots", robotBody(name, "corp/dev"))
	}
	first := w.do("eve", "GET", "/api/v1/robots?limit=2", "")
	next, _ := first.body["next"].(string)
	rest := w.do("eve", "GET", "/api/v1/robots?limit=2&cursor="+next, "")
	if next == "" || !strings.Contains(first.text, "payments-b") || strings.Contains(first.text, "payments-ci") ||
		!strings.Contains(rest.text, "payments-ci") || rest.body["next"] != nil || strings.Contains(rest.text, `"secret"`) {
		t.Errorf("pages: %s %s", first.text, rest.text)
	}
	got := w.do("lead", "GET", "/api/v1/robots/payments-ci", "")
	edit := func(match string, query ...string) answer {
		return w.do("lead", "PATCH", "/api/v1/robots/payments-ci"+strings.Join(query, ""), `{"description":"builds","cidrs":["10.0.0.0/8"]}`, "If-Match", match)
	}
	if a := edit(got.header.Get("ETag"), "?dry_run=true"); a.status != 200 || a.body["description"] != "builds" {
		t.Errorf("dry run: %d %s", a.status, a.text)
	}
	if a := w.do("lead", "GET", "/api/v1/robots/payments-ci", ""); a.header.Get("ETag") != got.header.Get("ETag") || a.body["description"] != nil {
		t.Errorf("the dry run changed something: %s", a.text)
	}
	if a := edit(got.header.Get("ETag")); a.status != 200 || a.body["description"] != "builds" || a.header.Get("ETag") == got.header.Get("ETag") {
		t.Errorf("%d %v %s", a.status, a.header, a.text)
	}
	if a := edit(got.header.Get("ETag")); a.status != 412 {
		t.Errorf("stale: %d %s", a.status, a.text)
	}
	if a := w.do("lead", "POST", "/api/v1/robots/payments-ci/rotate", `{"overlap_seconds":0}`); a.status != 200 || a.body["secret"] == made.body["secret"] {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := w.do("root", "DELETE", "/api/v1/robots/payments-ci", ""); a.status != 204 {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := w.do("root", "GET", "/api/v1/robots/payments-ci", ""); a.status != 404 {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := w.do("root", "POST", "/api/v1/robots", `{"name":"x","owner":"corp/dev","cidrs":["ten"]}`); a.status != 422 {
		t.Errorf("%d %s", a.status, a.text)
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC()
	for _, id := range []string{"alice-1", "alice-2", "bob-1", "bob-2"} {
		who, _, _ := strings.Cut(id, "-")
		_, err := w.store.CreateSession(t.Context(), sessions.Session{
			ID: id, Person: identity.Identity{Kind: identity.User, Connector: "corp", Name: who}, Service: "main",
			CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour), Token: sessions.TokenState{Session: sessions.Hash(id)},
		}, 10)
		if err != nil {
			t.Fatal(err)
		}
	}
	page := w.do("eve", "GET", "/api/v1/sessions?limit=3", "")
	next, _ := page.body["next"].(string)
	if rest := w.do("eve", "GET", "/api/v1/sessions?limit=3&cursor="+next, ""); next == "" || strings.Count(page.text+rest.text, `"id"`) != 4 {
		t.Errorf("%s %s", page.text, rest.text)
	}
	if a := w.do("bob", "GET", "/api/v1/sessions", ""); strings.Count(a.text, `"id"`) != 2 || strings.Contains(a.text, "alice") {
		t.Errorf("%s", a.text)
	}
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
	}{
		{"bob", "DELETE", "/api/v1/sessions/alice-1", "", 404},
		{"bob", "DELETE", "/api/v1/sessions/nobody", "", 404},
		{"bob", "DELETE", "/api/v1/sessions/bob-1?dry_run=true", "", 200},
		{"bob", "DELETE", "/api/v1/sessions/bob-1", "", 200},
		{"eve", "DELETE", "/api/v1/sessions/alice-1", "", 403},
		{"root", "DELETE", "/api/v1/sessions/alice-1?reason=lost", "", 200},
		{"bob", "POST", "/api/v1/sessions/revoke", `{"person":"corp/alice"}`, 403},
		{"bob", "POST", "/api/v1/sessions/revoke", `{"person":"corp/bob"}`, 200},
	} {
		if a := w.do(tt.who, tt.method, tt.path, tt.body); a.status != tt.status {
			t.Errorf("%s: %s %s: %d, want %d: %s", tt.who, tt.method, tt.path, a.status, tt.status, a.text)
		}
	}
	if a := w.do("eve", "GET", "/api/v1/sessions", ""); strings.Count(a.text, `"id"`) != 1 || !strings.Contains(a.text, "alice-2") {
		t.Errorf("%s", a.text)
	}
}

// bearer makes a request with a token.
func (w *world) bearer(token, path string) answer {
	w.t.Helper()
	return w.do("", "GET", path, "", "Authorization", "Bearer "+token)
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	made := w.do("lead", "POST", "/api/v1/token", "")
	token, _ := made.body["access_token"].(string)
	if made.status != 200 || token == "" || made.body["expires_in"] != 300.0 {
		t.Fatalf("%d %s", made.status, made.text)
	}
	if a := w.bearer(token, "/api/v1/me"); a.status != 200 || a.body["name"] != "corp/lead" || !strings.Contains(a.text, "own-namespace") || !strings.Contains(a.text, `"dev"`) {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := w.bearer(token, "/api/v1/policy"); a.status != 403 {
		t.Errorf("the token widens the rights: %d %s", a.status, a.text)
	}
	if a := w.do("", "POST", "/api/v1/token", "", "Authorization", "Bearer "+token); a.status != 401 {
		t.Errorf("a token made a token: %d %s", a.status, a.text)
	}
	claims, err := w.keys.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	// What a registry is shown is good for the registry alone.
	now := time.Now()
	for name, c := range map[string]tokens.Claims{
		"a registry's":                  {Audience: "main", Issuer: "issuer"},
		"a registry's of the same name": {Audience: "main", Issuer: issuer},
		"with rights in a registry":     {Audience: audience, Issuer: issuer, Access: []tokens.Access{{Type: "repository", Name: "a/b", Actions: []string{"pull"}}}},
		"of another issuer":             {Audience: audience, Issuer: "issuer"},
		"of a robot":                    {Audience: audience, Issuer: issuer, Subject: "robot:ci"},
		"of nobody":                     {Audience: audience, Issuer: issuer, Subject: "-"},
		"of somebody who is gone":       {Audience: audience, Issuer: issuer, Subject: "corp/gone"},
	} {
		c.ID, c.IssuedAt, c.TTL, c.AuthTime = name, now, time.Minute, now
		switch c.Subject {
		case "":
			c.Subject = "corp/root"
		case "-":
			c.Subject = ""
		}
		other, err := w.keys.Mint(c.Audience, c)
		if err != nil {
			t.Fatal(err)
		}
		if a := w.bearer(other, "/api/v1/me"); a.status != 401 || len(a.header.Values("WWW-Authenticate")) != 2 {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	for _, nonsense := range []string{"", "x", "a.b.c", token + "x"} {
		if a := w.bearer(nonsense, "/api/v1/me"); a.status != 401 {
			t.Errorf("%.10q: %d", nonsense, a.status)
		}
	}
	w.revoked[claims.ID] = true
	if a := w.bearer(token, "/api/v1/me"); a.status != 401 {
		t.Errorf("revoked: %d %s", a.status, a.text)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Action == audit.TokenIssued && e.User == "corp/lead" && e.DecisionID == claims.ID && e.Service == audience {
			return
		}
	}
	t.Error("the token is not in the audit log")
}
