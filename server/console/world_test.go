package console_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
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
	"drawbridge/server/console"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

const document = `# the policy
bindings:
  - {name: admins, role: policy-admin, subjects: ["user:corp/root"]}
  - {name: auditors, role: auditor, subjects: ["user:corp/eve", "group:corp/auditors"]}
  - {name: leads, role: namespace-owner, subjects: ["user:corp/lead"], repositories: ["payments/**"]}
  - {name: web, role: pusher, subjects: ["group:corp/web"], repositories: ["web/**"]}
  - {name: dev, role: pusher, subjects: ["group:corp/dev"], repositories: ["payments/**"]}
guardrails:
  - {name: releases-stay, deny: [delete], repositories: ["release/**"]}
tests:
  - {as: {user: corp/bob, groups: [corp/dev]}, repository: payments/api, allow: [push]}
`

// world is a console with a real store, and people whose password is their name.
type world struct {
	t       *testing.T
	url     string
	store   *store.Store
	handler *console.Handler

	mu      sync.Mutex
	now     time.Time
	secret  []byte
	events  []audit.Event
	revoked map[string]bool // session IDs and people
	unsure  bool            // it is not known what was revoked
	verdict func(identity.Identity) connectors.Outcome
	groups  []string
	silent  bool // the connector cannot recheck
	limited time.Duration
	rolled  []string // what was done with keys
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Authenticate implements manage.Authenticator.
func (w *world) Authenticate(_ context.Context, cred identity.Credential) connectors.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cred.Username != cred.Password.Reveal() || w.limited > 0 {
		return connectors.Verdict{Outcome: connectors.Denied(connectors.WrongPassword), Connector: "corp", RetryAfter: w.limited}
	}
	id := identity.Identity{Kind: identity.User, Connector: "corp", Name: cred.Username, StableID: "id-" + cred.Username, Groups: w.groups}
	if cred.Username == "robot.ci" {
		id = identity.Identity{Kind: identity.Robot, Name: "ci"}
	}
	if cred.Username == breakglass.Username {
		id = breakglass.Identity()
	}
	outcome := connectors.Granted(id)
	if !w.silent && id.Kind != identity.BreakGlass {
		outcome = outcome.WithVersion("v1")
	}
	return connectors.Verdict{Connector: "corp", VerifiedAt: w.now, Outcome: outcome}
}

// Recheck implements console.Rechecker.
func (w *world) Recheck(_ context.Context, id identity.Identity, version string) connectors.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	if version != "v1" {
		w.t.Errorf("%s is rechecked for the version %q", id, version)
	}
	return connectors.Verdict{Connector: "corp", Outcome: w.verdict(id)}
}

// Lookup implements manage.People.
func (w *world) Lookup(_ context.Context, id identity.Identity) (identity.Identity, error) {
	if id.Name == "gone" {
		return id, &identity.Error{Kind: identity.NotFound, Message: "The connector corp does not know \"gone\"."}
	}
	id.Groups = []string{"dev", "<b>bold</b>"}
	return id, nil
}

// Check implements console.Revocations.
func (w *world) Check(c tokens.Claims) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.revoked[c.Session], w.revoked[c.Subject]:
		return &revocation.RevokedError{}
	case w.unsure:
		return revocation.ErrUnknown
	}
	return nil
}

// List implements manage.Keys.
func (w *world) List(context.Context) ([]tokens.KeyInfo, error) {
	return []tokens.KeyInfo{{KeyID: "KEY1", Role: tokens.RoleLeaf, State: tokens.ShownSigning, NotBefore: w.clock(), NotAfter: w.clock().Add(time.Hour)}}, nil
}

// RollLeaves implements manage.Keys.
func (w *world) RollLeaves(_ context.Context, o tokens.Order) ([]tokens.Record, error) {
	w.set(func() { w.rolled = append(w.rolled, "roll by "+o.By) })
	return []tokens.Record{{KeyID: "KEY1"}}, nil
}

// RevokeLeaves implements manage.Keys.
func (w *world) RevokeLeaves(_ context.Context, o tokens.Order) ([]tokens.Record, error) {
	w.set(func() { w.rolled = append(w.rolled, "revoke by "+o.By) })
	return []tokens.Record{{KeyID: "KEY1"}}, nil
}

// directory is a connector that finds people without a password.
type directory struct{}

// Name implements connectors.Connector.
func (*directory) Name() string { return "corp" }

// Authenticate implements connectors.Connector.
func (*directory) Authenticate(context.Context, identity.Credential) connectors.Outcome {
	return connectors.NotMine()
}

// Lookup implements connectors.Looker.
func (*directory) Lookup(_ context.Context, username string) connectors.Outcome {
	return connectors.Granted(identity.Identity{Kind: identity.User, Connector: "corp", Name: username, Groups: []string{"dev"}})
}

// Session implements console.Revoker.
func (w *world) Session(_ context.Context, id string, _ revocation.Order) error {
	w.set(func() { w.revoked[id] = true })
	return nil
}

// Record implements manage.Recorder.
func (w *world) Record(e audit.Event) { w.set(func() { w.events = append(w.events, e) }) }

// Act implements manage.Recorder.
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
		w.t.Error(err)
	}
	policy, err := compile("policy", []byte(r.Text))
	if err != nil {
		w.t.Error(err)
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
	secret := sha256.Sum256([]byte("secret"))
	w := &world{t: t, store: s, now: time.Now(), secret: secret[:], revoked: map[string]bool{}}
	w.verdict = func(id identity.Identity) connectors.Outcome {
		id.Groups = w.groups
		return connectors.Granted(id)
	}
	w.save(document)
	w.handler = w.newHandler()
	w.url = w.serve(w.handler)
	return w
}

func (w *world) newHandler() *console.Handler {
	bob := authz.Asked{
		Who: identity.Identity{Kind: identity.User, Connector: "corp", Name: "bob", Groups: []string{"dev"}}, Registry: "main",
		Scope: authz.ParseScopes([]string{"repository:payments/api:pull,push"})[0],
	}
	desk := &manage.Desk{
		InForce: w.inForce, Policies: w.store, Compile: compile, People: w, Registries: []string{"main", "other"}, Audit: w, Clock: w.clock,
		Events: w.store, Robots: w.store, Sessions: w.store, RobotTTL: 365 * 24 * time.Hour, Keys: w,
		Changes:    feed.NewWriter(feed.WriterOptions{Store: w.store, Log: slog.New(slog.DiscardHandler)}),
		Connectors: []manage.Connector{{Name: "corp", Type: "ldap", Match: "*"}},
		Health: func(string) manage.Health {
			return manage.Health{State: manage.Degraded, Detail: "1 of 2 hosts is down"}
		},
		Tracer:          connectors.NewChain(connectors.Link{Connector: &directory{}}),
		RegistryEntries: []manage.Registry{{Service: "main", Issuer: "issuer", For: "distribution-3", TokenForm: "x5c"}},
		Settings:        func(service string) (string, error) { return "auth:\n  token:\n    service: " + service + "\n", nil },
		Recent:          func(context.Context) ([]authz.Asked, error) { return []authz.Asked{bob}, nil },
	}
	return &console.Handler{
		Desk: desk, Door: &manage.Door{Connectors: w, Desk: desk}, People: w, Revocations: w, Revoker: w,
		Secret: func() []byte { return w.secret }, Clock: w.clock, Rand: rand.Reader,
		ClientAddr: func(*http.Request) string { return "192.0.2.1" }, RequestID: func(*http.Request) string { return "req" },
		Version: "test", Log: slog.New(slog.DiscardHandler),
	}
}

// serve runs a console with TLS, without which browsers keep no such cookie.
func (w *world) serve(h *console.Handler) string {
	mux := http.NewServeMux()
	h.Mount(mux)
	server := httptest.NewTLSServer(mux)
	w.t.Cleanup(server.Close)
	return server.URL
}

// save puts a document in force.
func (w *world) save(text string) {
	w.t.Helper()
	newest, err := w.store.NewestPolicy(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.store.AppendPolicy(w.t.Context(), revisions.Revision{Number: newest.Number + 1, Text: text, Author: "first start", At: time.Now()})
	if err != nil {
		w.t.Fatal(err)
	}
}

// browser keeps cookies as one does.
type browser struct {
	w    *world
	jar  http.CookieJar
	base string
}

type answer struct {
	status int
	header http.Header
	text   string
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, jar, w.url}
}

// as is a browser in which somebody has signed in.
func (w *world) as(who string) *browser {
	w.t.Helper()
	b := w.browser()
	if a := b.signIn(who, who, ""); a.status != http.StatusSeeOther {
		w.t.Fatalf("sign in as %s: %d\n%s", who, a.status, a.text)
	}
	return b
}

func (b *browser) signIn(who, password, next string) answer {
	form := b.get("/console/sign-in?next=" + url.QueryEscape(next))
	return b.post("/console/sign-in", url.Values{
		"username": {who}, "password": {password}, "next": {next}, "form_token": {tokenIn(form.text)},
	})
}

func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, "", nil) }

// post sends a form as a page of the console does.
func (b *browser) post(path string, form url.Values, headers ...string) answer {
	headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, headers...)
	return b.do(http.MethodPost, path, form.Encode(), headers)
}

// send posts a form with the token that the browser's pages have.
func (b *browser) send(path string, pairs ...string) answer {
	form := url.Values{"form_token": {b.token()}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.post(path, form)
}

func (b *browser) token() string { return tokenIn(b.get("/console/sessions").text) }

func (b *browser) do(method, path, body string, headers []string) answer {
	t := b.w.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{
		Jar: b.jar, Transport: insecure(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// cookie returns the session as it is, for tests that misuse it.
func (b *browser) cookie() string {
	u, _ := url.Parse(b.base) // it has served already
	for _, c := range b.jar.Cookies(u) {
		if c.Name == "__Host-drawbridge" {
			return c.Value
		}
	}
	return ""
}

// with is a browser that shows the cookie and nothing else.
func (w *world) with(cookie string) *browser {
	b := w.browser()
	u, _ := url.Parse(w.url) // it has served already
	b.jar.SetCookies(u, []*http.Cookie{{Name: "__Host-drawbridge", Value: cookie, Path: "/", Secure: true}})
	return b
}

func tokenIn(page string) string {
	found := regexp.MustCompile(`name="form_token" value="([^"]*)"`).FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return found[1]
}
