package admin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/connectors"
	"drawbridge/connectors/breakglass"
	"drawbridge/identity"
	"drawbridge/server"
	"drawbridge/server/admin"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

const document = `bindings:
  - {name: admins, role: policy-admin, subjects: ["user:corp/root"]}
  - {name: auditors, role: auditor, subjects: ["user:corp/eve"]}
  - {name: leads, role: namespace-owner, subjects: ["user:corp/lead"], repositories: ["payments/**"]}
  - {name: web, role: pusher, subjects: ["group:corp/web"], repositories: ["web/**"]}
  - {name: dev, role: pusher, subjects: ["group:corp/dev"], repositories: ["payments/**"]}
`

// world is a server with a real store and people whose password is their name.
type world struct {
	t      *testing.T
	url    string
	store  *store.Store
	desk   *manage.Desk
	events []audit.Event
	stale  bool
	keys   *tokens.Keys
	// revoked are token IDs.
	revoked map[string]bool
	mu      sync.Mutex
	log     bytes.Buffer
}

func (w *world) Authenticate(_ context.Context, cred identity.Credential) connectors.Verdict {
	if cred.Username != cred.Password.Reveal() {
		return connectors.Verdict{Outcome: connectors.Denied(connectors.WrongPassword), Connector: "corp"}
	}
	if cred.Username == breakglass.Username {
		return connectors.Verdict{Outcome: connectors.Granted(breakglass.Identity()), Connector: breakglass.ConnectorName}
	}
	return connectors.Verdict{Connector: "corp", Stale: w.stale, Outcome: connectors.Granted(identity.Identity{
		Kind: identity.User, Connector: "corp", Name: cred.Username, Groups: groupsOf(cred.Username),
	})}
}

// groupsOf has the leads in the group that owns their robots.
func groupsOf(name string) []string {
	if name == "lead" {
		return []string{"dev"}
	}
	return nil
}

// The API's own tokens, and the registries'.
const (
	audience = "https://auth.example.com/api/v1"
	issuer   = "https://auth.example.com"
)

// Check implements [admin.Revocations].
func (w *world) Check(c tokens.Claims) error {
	if w.revoked[c.ID] {
		return &revocation.RevokedError{Kind: feed.RevokeToken}
	}
	return nil
}

func (w *world) Lookup(_ context.Context, id identity.Identity) (identity.Identity, error) {
	if id.Name == "gone" {
		return id, &identity.Error{Kind: identity.NotFound, Message: "The connector corp does not know \"gone\"."}
	}
	if id.Name == "bug" {
		return id, errors.New("a detail of the inside")
	}
	id.Groups = []string{"dev"}
	return id, nil
}

func (w *world) Record(e audit.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// Act is what is done, at once.
func (w *world) Act(_ context.Context, e audit.Event) { w.Record(e) }

func compile(name string, text []byte) (*authz.Policy, error) {
	doc, err := authz.Parse(name, text)
	if err != nil {
		return nil, err
	}
	return doc.Compile(authz.Options{HomeConnector: "corp"})
}

func (w *world) inForce() bridge.Revision {
	r, err := w.store.NewestPolicy(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	policy, err := compile("policy", []byte(r.Text))
	if err != nil {
		w.t.Fatal(err)
	}
	return bridge.Revision{ID: r.ID(), Policy: policy, Text: r.Text}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{t: t, store: s, revoked: map[string]bool{}}
	if w.keys, err = tokens.Open(tokens.Options{
		Dir: filepath.Join(t.TempDir(), "keys"), LongestTTL: 5 * time.Minute, Registries: []tokens.Registry{{Service: "main"}, {Service: audience}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.AppendPolicy(t.Context(), revisions.Revision{Number: 1, Text: document, Author: "first start", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	bob := authz.Asked{
		Who: identity.Identity{Kind: identity.User, Connector: "corp", Name: "bob", Groups: []string{"dev"}}, Registry: "main",
		Scope: authz.ParseScopes([]string{"repository:payments/api:pull,push"})[0],
	}
	mux := http.NewServeMux()
	w.desk = &manage.Desk{
		InForce: w.inForce, Policies: s, Compile: compile, People: w, Registries: []string{"main"}, Audit: w, Clock: time.Now,
		Recent: func(context.Context) ([]authz.Asked, error) { return []authz.Asked{bob}, nil },
		Robots: s, Sessions: s, RobotTTL: 365 * 24 * time.Hour, Keys: w.keys, Tracer: connectors.NewChain(),
		Changes:    feed.NewWriter(feed.WriterOptions{Store: s, Log: slog.New(slog.DiscardHandler)}),
		Connectors: []manage.Connector{{Name: "corp", Type: "ldap", Match: "*"}},
		BreakGlass: func() (breakglass.Arming, bool) { return breakglass.Arming{}, true },
	}
	(&admin.Handler{
		Desk: w.desk, Connectors: w, ClientAddr: func(*http.Request) string { return "192.0.2.1" },
		Bearer: admin.Bearer{
			Keys: w.keys, Revocations: w, Audience: audience, Issuer: issuer, TTL: 5 * time.Minute,
			NewID: rand.Text, Clock: time.Now,
		},
		RequestID: func(*http.Request) string { return "req" }, Version: "test", Log: slog.New(server.LogHandler(slog.NewJSONHandler(&w.log, nil))),
	}).Mount(mux)
	running := httptest.NewServer(server.WithRequestID(nil, mux))
	t.Cleanup(running.Close)
	w.url = running.URL
	return w
}

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// do makes a request as somebody; who may be empty for nobody.
func (w *world) do(who, method, path, body string, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if who != "" {
		req.SetBasicAuth(who, strings.TrimSuffix(who, "!"))
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(data)}
	_ = json.Unmarshal(data, &a.body) // what is no object stays text
	return a
}

func draft(text string) string {
	data, _ := json.Marshal(map[string]string{"text": text, "reason": "JIRA-1"}) // strings cannot fail
	return string(data)
}

// Break-glass administers though no binding makes it an administrator, and no
// binding is left that makes one of anybody.
func TestBreakGlassAdministers(t *testing.T) {
	w := newWorld(t)
	a := w.do("root", "PUT", "/api/v1/policy", draft("bindings: []\n"), "If-Match", `"r1"`)
	if a.status != 200 {
		t.Fatalf("root: %d %s", a.status, a.text)
	}
	if a := w.do("root", "PUT", "/api/v1/policy", draft(document), "If-Match", `"r2"`); a.status != 403 {
		t.Fatalf("root is no administrator any more: %d %s", a.status, a.text)
	}
	a = w.do("breakglass", "PUT", "/api/v1/policy", draft(document), "If-Match", `"r2"`)
	if a.status != 200 || a.body["author"] != "breakglass/breakglass" {
		t.Fatalf("breakglass: %d %s", a.status, a.text)
	}
	if a := w.do("root", "GET", "/api/v1/policy", ""); a.status != 200 {
		t.Errorf("root is an administrator again: %d %s", a.status, a.text)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	w := newWorld(t)
	changed := draft(document + "# more\n")
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
	}{
		{"", "GET", "/api/v1/policy", "", 401},
		{"root!", "GET", "/api/v1/policy", "", 401}, // a wrong password
		{"bob", "GET", "/api/v1/policy", "", 403},
		{"bob", "GET", "/api/v1/me", "", 200},
		{"bob", "GET", "/api/v1/access/explain?who=corp/alice&actions=pull&repository=a/b", "", 403},
		{"bob", "GET", "/api/v1/access/who-can?actions=pull&repository=a/b", "", 403},
		{"bob", "GET", "/api/v1/access/list?who=corp/alice", "", 403},
		{"bob", "GET", "/api/v1/policy/revisions", "", 403},
		{"bob", "GET", "/api/v1/policy/revisions/1", "", 403},
		{"bob", "GET", "/api/v1/policy/revisions/1/diff", "", 403},
		{"bob", "POST", "/api/v1/policy/plan", changed, 403},
		{"bob", "PUT", "/api/v1/policy", changed, 403},
		{"bob", "PUT", "/api/v1/policy?dry_run=true", changed, 403},
		{"bob", "POST", "/api/v1/policy/rollback", `{"revision":1}`, 403},
		{"bob", "GET", "/api/v1/bindings", "", 403},
		{"bob", "PUT", "/api/v1/bindings/x", binding("payments/**"), 403},
		{"bob", "DELETE", "/api/v1/bindings/dev", "", 403},
		{"lead", "GET", "/api/v1/policy", "", 403},
		{"lead", "PUT", "/api/v1/bindings/x", binding("web/**"), 403},
		{"lead", "PUT", "/api/v1/bindings/x?dry_run=true", binding("web/**"), 403},
		{"lead", "PUT", "/api/v1/bindings/dev", binding("**"), 403},
		{"lead", "DELETE", "/api/v1/bindings/web", "", 403},
		{"lead", "PUT", "/api/v1/policy", changed, 403},
		{"lead", "POST", "/api/v1/policy/rollback", `{"revision":1}`, 403},
		{"lead", "PUT", "/api/v1/bindings/x?dry_run=true", binding("payments/x"), 200},
		{"eve", "GET", "/api/v1/bindings", "", 200},
		{"eve", "PUT", "/api/v1/bindings/x", binding("payments/**"), 403},
		{"root", "DELETE", "/api/v1/bindings/nobody", "", 404},
		{"eve", "GET", "/api/v1/policy", "", 200},
		{"eve", "POST", "/api/v1/policy/plan", changed, 200},
		{"eve", "PUT", "/api/v1/policy", changed, 403},
		{"eve", "POST", "/api/v1/policy/rollback", `{"revision":1}`, 403},
		{"root", "GET", "/api/v1/nothing", "", 404},
		{"root", "GET", "/api/v1/policy/revisions/99", "", 404},
		{"root", "GET", "/api/v1/policy?nonsense=1", "", 422},
		{"root", "PUT", "/api/v1/policy", "{", 400},
		{"root", "PUT", "/api/v1/policy", `{"text":"bindings: []","by":"x"}`, 422},
		{"root", "GET", "/api/v1/access/explain?who=alice&actions=pull&repository=a/b", "", 422},
		{"root", "GET", "/api/v1/access/explain?who=corp/gone&actions=pull&repository=a/b", "", 404},
		{"root", "GET", "/api/v1/access/explain?who=corp/alice&actions=fly&repository=a/b", "", 422},
		{"root", "GET", "/api/v1/access/explain?who=corp/alice&actions=pull&repository=a/b&registry=x", "", 422},
	} {
		a := w.do(tt.who, tt.method, tt.path, tt.body, "If-Match", `"r1"`)
		if a.status != tt.status {
			t.Errorf("%s: %s %s: %d, want %d: %s", tt.who, tt.method, tt.path, a.status, tt.status, a.text)
		}
		if a.status >= 400 && a.status != 404 && a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s %s", tt.method, tt.path, a.header.Get("Content-Type"), a.text)
		}
		if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("a 401 without a challenge: %v", a.header)
		}
	}
	if r := w.inForce(); r.ID != "r1" {
		t.Errorf("in force is %s", r.ID)
	}
}

func binding(repositories string) string {
	return `{"role":"pusher","subjects":["group:corp/qa"],"repositories":["` + repositories + `"],"because":"JIRA-2"}`
}

func TestNamespaceOwner(t *testing.T) {
	w := newWorld(t)
	list := w.do("lead", "GET", "/api/v1/bindings", "")
	if list.header.Get("ETag") != `"r1"` || !strings.Contains(list.text, `"name":"dev"`) || strings.Contains(list.text, `"name":"web"`) || strings.Contains(list.text, "admins") {
		t.Fatalf("the owner sees %v %s", list.header, list.text)
	}
	if a := w.do("lead", "PUT", "/api/v1/bindings/qa%20team", binding("payments/api"), "If-Match", `"r1"`); a.status != 200 || a.body["author"] != "corp/lead" {
		t.Fatalf("add: %d %s", a.status, a.text)
	}
	qa := authz.ParseScopes([]string{"repository:payments/api:push"})[0]
	policy := w.inForce().Policy
	subject := policy.Subject(identity.Identity{Kind: identity.User, Connector: "corp", Name: "quinn", Groups: []string{"qa"}})
	if policy.Decide(&subject, "main", qa, time.Now()) == 0 {
		t.Error("the new binding grants nothing")
	}
	if a := w.do("lead", "DELETE", "/api/v1/bindings/qa%20team", "", "If-Match", `"r1"`); a.status != 412 {
		t.Errorf("a stale delete: %d %s", a.status, a.text)
	}
	if a := w.do("lead", "DELETE", "/api/v1/bindings/qa%20team", "", "If-Match", `"r2"`); a.status != 200 || w.inForce().Text != document {
		t.Errorf("delete: %d %s\n%s", a.status, a.text, w.inForce().Text)
	}
}

func TestSave(t *testing.T) {
	w := newWorld(t)
	got := w.do("root", "GET", "/api/v1/policy", "")
	if got.header.Get("ETag") != `"r1"` || got.body["text"] != document {
		t.Fatalf("got %v %s", got.header, got.text)
	}
	changed := draft(document + "# more\n")
	if a := w.do("root", "PUT", "/api/v1/policy", changed); a.status != 428 {
		t.Errorf("without If-Match: %d %s", a.status, a.text)
	}
	if a := w.do("root", "PUT", "/api/v1/policy", changed, "If-Match", "*"); a.status != 428 {
		t.Errorf("If-Match *: %d %s", a.status, a.text)
	}
	if a := w.do("root", "PUT", "/api/v1/policy?dry_run=true", changed, "If-Match", `"r1"`); a.status != 200 || w.inForce().ID != "r1" {
		t.Errorf("dry run: %d %s, in force %s", a.status, a.text, w.inForce().ID)
	}
	a := w.do("root", "PUT", "/api/v1/policy", changed, "If-Match", `"r1"`)
	if a.status != 200 || a.header.Get("ETag") != `"r2"` || a.body["author"] != "corp/root" || a.body["reason"] != "JIRA-1" {
		t.Fatalf("got %d %s", a.status, a.text)
	}
	if a := w.do("root", "PUT", "/api/v1/policy", changed, "If-Match", `"r1"`); a.status != 412 || !strings.Contains(a.text, "r2") {
		t.Errorf("somebody was faster: %d %s", a.status, a.text)
	}
	if a := w.do("root", "PUT", "/api/v1/policy", changed, "If-Match", `"r2"`); a.status != 200 || a.header.Get("ETag") != `"r2"` {
		t.Errorf("nothing changed: %d %s", a.status, a.text)
	}
	faulty := w.do("root", "PUT", "/api/v1/policy", draft("bindings:\n  - {name: x, role: pushr, subjects: [anonymous], repositories: [a]}\n"), "If-Match", `"r2"`)
	if faulty.status != 422 || !strings.Contains(faulty.text, "line 2") || !strings.Contains(faulty.text, "pusher") {
		t.Errorf("a fault: %d %s", faulty.status, faulty.text)
	}
	if a := w.do("root", "POST", "/api/v1/policy/rollback", `{"revision":1,"reason":"oops"}`, "If-Match", `"r2"`); a.status != 200 || a.body["rollback_of"] != 1.0 {
		t.Errorf("rollback: %d %s", a.status, a.text)
	}
	if a := w.do("root", "GET", "/api/v1/policy/revisions/2/diff", ""); !strings.Contains(fmt.Sprint(a.body["diff"]), "+# more") {
		t.Errorf("diff: %s", a.text)
	}
	first := w.do("root", "GET", "/api/v1/policy/revisions?limit=2", "")
	second := w.do("root", "GET", "/api/v1/policy/revisions?limit=2&cursor="+fmt.Sprint(first.body["next"]), "")
	if first.body["next"] != "r2" || second.body["next"] != nil || !strings.Contains(second.text, `"number":1`) {
		t.Errorf("pages: %s and %s", first.text, second.text)
	}
	var actions []string
	for _, e := range w.events {
		actions = append(actions, string(e.Action)+":"+string(e.Outcome)+":"+e.Reason)
	}
	want := "admin_sign_in:success: policy_saved:success: policy_rejected:failure:stale policy_rejected:failure:faulty policy_saved:success:"
	if got := strings.Join(actions, " "); got != want {
		t.Errorf("audit: %s", got)
	}
}

func TestPlanNamesWhatFlips(t *testing.T) {
	w := newWorld(t)
	a := w.do("eve", "POST", "/api/v1/policy/plan", draft(strings.Replace(document, "dev, role: pusher", "dev, role: puller", 1)))
	if a.status != 200 || !strings.Contains(a.text, "1 person loses push on payments/**") || !strings.Contains(a.text, "-  - {name: dev, role: pusher") {
		t.Errorf("got %d %s", a.status, a.text)
	}
	a = w.do("eve", "POST", "/api/v1/policy/plan", draft("bindings: [\n"))
	if a.status != 200 || fmt.Sprint(a.body["problems"]) == "[]" {
		t.Errorf("a faulty draft: %d %s", a.status, a.text)
	}
}

func TestQuestions(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/api/v1/access/explain?who=corp/alice&actions=push&repository=payments/api":                 `"granted":["push"]`,
		"/api/v1/access/explain?who=corp/alice&actions=push&repository=payments/api&group=x&group=y": `"near_misses":[{"binding":"dev"`,
		"/api/v1/access/who-can?actions=push&repository=payments/api":                                `"subject":"group:corp/dev"`,
		"/api/v1/access/list?who=corp/alice":                                                         `"binding":"dev"`,
		"/api/v1/me":                                                                                 `"capabilities":["read-audit","write-policy"]`,
	} {
		if a := w.do("root", "GET", path, ""); a.status != 200 || !strings.Contains(a.text, want) {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
}

// A problem says under which ID the log has it, and the cause is in the log alone.
func TestProblemsNameTheRequest(t *testing.T) {
	w := newWorld(t)
	for path, status := range map[string]int{"/api/v1/access/list?who=corp/bug": 500, "/api/v1/access/list?who=corp/gone": 404, "/api/v1/access/list": 422} {
		a := w.do("root", "GET", path, "")
		id := a.header.Get("X-Request-Id")
		if a.status != status || a.header.Get("Content-Type") != "application/problem+json" || a.body["instance"] != "urn:drawbridge:request:"+id {
			t.Errorf("%s: %d %v %s", path, a.status, a.header, a.text)
		}
		logged := strings.Contains(w.log.String(), "a detail of the inside\",\"request_id\":\""+id)
		if strings.Contains(a.text, "inside") || logged != (status == 500) {
			t.Errorf("%s: answer %s, log %s", path, a.text, w.log.String())
		}
	}
	if a := w.do("root!", "GET", "/api/v1/me", ""); a.status != 401 || a.body["instance"] != "urn:drawbridge:request:"+a.header.Get("X-Request-Id") {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// A browser sends the credentials it keeps with whatever a page makes it send.
func TestOtherSitesCannotWrite(t *testing.T) {
	w := newWorld(t)
	changed := draft(document + "# evil\n")
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"},
	} {
		if a := w.do("root", "PUT", "/api/v1/policy", changed, append(headers, "If-Match", `"r1"`)...); a.status != 403 {
			t.Errorf("%v: %d %s", headers, a.status, a.text)
		}
	}
	if r := w.inForce(); r.ID != "r1" {
		t.Errorf("in force is %s", r.ID)
	}
}

func TestNobodyAdministersOnAStaleAnswer(t *testing.T) {
	w := newWorld(t)
	w.stale = true
	if a := w.do("root", "GET", "/api/v1/me", ""); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %v %s", a.status, a.header, a.text)
	}
}

// Whoever asks first for the description does not race with others who do.
func TestManyAskForTheDescriptionAtOnce(t *testing.T) {
	w := newWorld(t)
	for form, kind := range map[string]string{".json": "json", ".yaml": "yaml", "-3.0.json": "json", "-3.0.yaml": "yaml"} {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				a := w.do("", "GET", "/api/openapi"+form, "")
				if a.status != 200 || a.header.Get("Content-Type") != "application/openapi+"+kind || !strings.Contains(a.text, "who-can") {
					t.Errorf("%s: %d %v", form, a.status, a.header)
				}
			})
		}
		all.Wait()
	}
}

func TestOpenAPI(t *testing.T) {
	w := newWorld(t)
	served := w.do("", "GET", "/api/openapi.json", "")
	made, err := admin.OpenAPI("test")
	if err != nil || served.status != 200 || served.body["openapi"] != "3.1.0" {
		t.Fatalf("%v, %d %s", err, served.status, served.text)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(served.text)); err != nil || compact.String() != string(made) {
		t.Errorf("served and made documents differ: %v", err)
	}
}

func TestAStoreThatIsDown(t *testing.T) {
	w := newWorld(t)
	r := w.inForce()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	desk := &manage.Desk{InForce: func() bridge.Revision { return r }, Policies: w.store, Compile: compile, Audit: w, Clock: time.Now}
	_, err := desk.SavePolicy(t.Context(), manage.Operator("cli:root"), revisions.Draft{Text: document + "#", Base: 1})
	if e := identity.AsError(err); e.Kind != identity.Unavailable {
		t.Errorf("got %v", err)
	}
}
