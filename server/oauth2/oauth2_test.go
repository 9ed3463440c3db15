package oauth2_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/server/oauth2"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
	"drawbridge/tokens/sessions"

	"github.com/google/go-cmp/cmp"
)

const (
	service      = "Docker registry"
	auditorPW    = "auditor-password"
	alicePW      = "alice-password"
	refreshToken = "dbrt_0123456789"
)

var errDown = errors.New("connection refused")

// world is the handler over real keys; the rest answers as it is told.
type world struct {
	*oauth2.Handler
	t        testing.TB
	keys     *tokens.Keys
	now      time.Time
	check    map[string]error            // what is said of a token ID
	orders   map[string]revocation.Order // by token ID
	sessions map[string]sessions.Session // by refresh token
	ended    map[string]string           // session ID: by whom
	events   []audit.Event
	asked    []manage.Actor
	storeErr error
	log      strings.Builder
}

func (w *world) Check(c tokens.Claims) error { return w.check[c.ID] }

func (w *world) Token(_ context.Context, id string, o revocation.Order) error {
	if w.storeErr == nil {
		w.orders[id] = o
	}
	return w.storeErr
}

func (w *world) ByToken(_ context.Context, token identity.Secret) (sessions.Session, bool, error) {
	s, ok := w.sessions[token.Reveal()]
	return s, ok, w.storeErr
}

func (w *world) End(_ context.Context, id, by, _ string) error {
	if w.storeErr == nil {
		w.ended[id] = by
	}
	return w.storeErr
}

func (w *world) Record(e audit.Event) { w.events = append(w.events, e) }

func (w *world) Act(_ context.Context, e audit.Event) { w.Record(e) }

// Enter knows an auditor, and alice who has no right here.
func (w *world) Enter(_ context.Context, a manage.Actor, cred identity.Credential) (manage.Actor, error) {
	w.asked = append(w.asked, a)
	a.Identity = identity.Identity{Kind: identity.User, Connector: "corp", Name: cred.Username}
	a.Name = a.Identity.String()
	switch cred.Username + ":" + cred.Password.Reveal() {
	case "auditor:" + auditorPW:
		a.Capabilities = authz.Capabilities(authz.ReadAudit)
		return a, nil
	case "alice:" + alicePW:
		return a, nil
	case "limited:x":
		return a, &identity.Error{Kind: identity.RateLimited, Message: "Too many.", RetryAfter: 30 * time.Second}
	case "down:x":
		return a, &identity.Error{Kind: identity.Unavailable, Message: "Try again.", Err: errDown}
	case "broken:x":
		return a, errDown
	}
	return a, &identity.Error{Kind: identity.Unauthenticated, Message: "Wrong."}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, now: time.Unix(1_800_000_000, 0), check: map[string]error{}, orders: map[string]revocation.Order{},
		sessions: map[string]sessions.Session{}, ended: map[string]string{},
	}
	clock := func() time.Time { return w.now }
	var err error
	w.keys, err = tokens.Open(tokens.Options{
		Dir: filepath.Join(t.TempDir(), "keys"), LongestTTL: 5 * time.Minute, Clock: clock,
		Registries: []tokens.Registry{{Service: service}},
	})
	if err != nil {
		t.Fatal(err)
	}
	verifier := tokens.NewVerifier(w.keys)
	t.Cleanup(func() { _ = verifier.Close() })
	w.sessions[refreshToken] = sessions.Session{
		ID: "session-1", Person: identity.Identity{Kind: identity.User, Connector: "corp", Name: "alice"}, Service: service, ClientID: "docker", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour),
	}
	w.Handler = &oauth2.Handler{
		Active: w.keys, Honoured: verifier, Revocations: w, Revoker: w, Sessions: w, Door: w, Audit: w,
		ClientAddr: func(*http.Request) string { return "192.0.2.7" }, RequestID: func(*http.Request) string { return "request-1" },
		Clock: clock, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	return w
}

func (w *world) mint(id, subject string) string {
	w.t.Helper()
	token, err := w.keys.Mint(service, tokens.Claims{
		Issuer: "iss", Audience: service, Subject: subject, ID: id, IssuedAt: w.now, TTL: 5 * time.Minute, Session: "session-1",
		Access: []tokens.Access{
			{Type: "repository", Name: "team/app", Actions: []string{"pull", "push"}},
			{Type: "repository", Class: "plugin", Name: "team/plugin", Actions: []string{"pull"}},
			{Type: "registry", Name: "catalog", Actions: []string{"*"}},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// post sends a form to a path; a user logs in with HTTP Basic.
func (w *world) post(path, user, password string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	w.Mount(mux)
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, r)
	if got := rec.Header().Get("Cache-Control"); got != "no-store" {
		w.t.Errorf("Cache-Control is %q", got)
	}
	return rec
}

func (w *world) introspect(token string) *httptest.ResponseRecorder {
	return w.post(oauth2.IntrospectPath, "auditor", auditorPW, url.Values{"token": {token}})
}

func (w *world) revoke(token string) *httptest.ResponseRecorder {
	return w.post(oauth2.RevokePath, "", "", url.Values{"token": {token}})
}

// failed fails the test unless the answer is an error of RFC 6749.
func (w *world) failed(what string, rec *httptest.ResponseRecorder, status int, code string) {
	w.t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || body.Description == "" {
		w.t.Errorf("%s: no error of RFC 6749: %q", what, rec.Body)
	}
	if rec.Code != status || body.Error != code {
		w.t.Errorf("%s: status %d, %q; want %d, %q", what, rec.Code, body.Error, status, code)
	}
	retry := rec.Header().Get("Retry-After") != ""
	if want := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests; retry != want {
		w.t.Errorf("%s: Retry-After is %q", what, rec.Header().Get("Retry-After"))
	}
}

func (w *world) body(rec *httptest.ResponseRecorder) map[string]any {
	w.t.Helper()
	var body map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != http.StatusOK {
		w.t.Fatalf("status %d: %q: %v", rec.Code, rec.Body, err)
	}
	return body
}

func (w *world) inactive(what string, rec *httptest.ResponseRecorder) {
	w.t.Helper()
	if got := rec.Body.String(); rec.Code != http.StatusOK || got != `{"active":false}` {
		w.t.Errorf("%s: status %d, %q; want {\"active\":false} and nothing else", what, rec.Code, got)
	}
}

func TestIntrospectTellsTheClaims(t *testing.T) {
	w := newWorld(t)
	want := map[string]any{
		"active": true, "scope": "repository:team/app:pull,push repository(plugin):team/plugin:pull registry:catalog:*", "token_type": "Bearer",
		"exp": 1_800_000_300.0, "iat": 1_800_000_000.0, "nbf": 1_799_999_940.0,
		"sub": "corp/alice", "aud": service, "iss": "iss", "jti": "id-1", "sid": "session-1",
	}
	if diff := cmp.Diff(want, w.body(w.introspect(w.mint("id-1", "corp/alice")))); diff != "" {
		t.Error(diff)
	}
	e := w.events[0]
	if len(w.events) != 1 || e.Action != audit.TokenIntrospected || e.User != "corp/auditor" || e.DecisionID != "id-1" || e.SourceIP != "192.0.2.7" {
		t.Errorf("events %+v", w.events)
	}
	want = map[string]any{
		"active": true, "client_id": "docker", "exp": 1_800_003_600.0, "iat": 1_800_000_000.0, "sub": "corp/alice", "aud": service, "sid": "session-1",
	}
	if diff := cmp.Diff(want, w.body(w.introspect(refreshToken))); diff != "" {
		t.Error(diff)
	}
	// A hint, also a wrong one, changes nothing.
	for _, hint := range []string{"access_token", "refresh_token", "nonsense"} {
		rec := w.post(oauth2.IntrospectPath, "auditor", auditorPW, url.Values{"token": {refreshToken}, "token_type_hint": {hint}})
		if w.body(rec)["active"] != true {
			t.Errorf("hint %s: %s", hint, rec.Body)
		}
	}
	anonymous := w.body(w.introspect(w.mint("id-2", "")))
	if _, ok := anonymous["sub"]; ok || anonymous["active"] != true {
		t.Errorf("anonymous: %v", anonymous)
	}
}

// Of what is not active nothing is told, not even why.
func TestIntrospectTellsNothingElse(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	good := w.mint("id-1", "corp/alice")
	for what, token := range map[string]string{
		"forged": good + "x", "a stranger's": other.mint("id-1", "corp/alice"), "unknown refresh token": "dbrt_other",
		"a password": "hunter2", "dots": "..", "huge": strings.Repeat("a", 50<<10),
	} {
		w.inactive(what, w.introspect(token))
	}
	for _, kind := range []feed.Kind{feed.RevokeToken, feed.RevokeSession, feed.RevokePerson, feed.RevokeKey} {
		w.check["id-1"] = fmt.Errorf("checked: %w", &revocation.RevokedError{Kind: kind})
		w.inactive(string(kind), w.introspect(good))
	}
	delete(w.check, "id-1")
	w.now = w.now.Add(5 * time.Minute)
	w.inactive("over", w.introspect(good))
	clear(w.sessions)
	w.inactive("a session that is over", w.introspect(refreshToken))
}

// storeless are keys that another replica's key cannot be looked up for.
type storeless struct{}

func (storeless) Verify(string) (tokens.Claims, error) {
	return tokens.Claims{}, &identity.Error{Kind: identity.Unavailable, Message: "x", Err: errDown}
}

// Neither "not active" nor "revoked" is said of a token that nobody could look at.
func TestKeyThatCannotBeLookedUp(t *testing.T) {
	w := newWorld(t)
	token := w.mint("id-1", "corp/alice")
	w.Active, w.Honoured = storeless{}, storeless{}
	w.failed("introspect", w.introspect(token), http.StatusServiceUnavailable, "temporarily_unavailable")
	rec := w.post(oauth2.RevokePath, "", "", url.Values{"token": {token}})
	w.failed("revoke", rec, http.StatusServiceUnavailable, "temporarily_unavailable")
	if len(w.orders) > 0 {
		t.Errorf("orders %v", w.orders)
	}
}

func TestIntrospectAnswersAuditorsOnly(t *testing.T) {
	w := newWorld(t)
	form := url.Values{"token": {w.mint("id-1", "corp/alice")}}
	ask := func(user, password string) *httptest.ResponseRecorder {
		return w.post(oauth2.IntrospectPath, user, password, form)
	}
	w.failed("nobody", ask("", ""), http.StatusUnauthorized, "invalid_client")
	w.failed("wrong password", ask("auditor", "x"), http.StatusUnauthorized, "invalid_client")
	if got := ask("", "").Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("the challenge is %q", got)
	}
	w.failed("no right", ask("alice", alicePW), http.StatusForbidden, "access_denied")
	w.failed("too many wrong passwords", ask("limited", "x"), http.StatusTooManyRequests, "temporarily_unavailable")
	w.failed("a directory that is down", ask("down", "x"), http.StatusServiceUnavailable, "temporarily_unavailable")
	rec := ask("broken", "x")
	w.failed("our own fault", rec, http.StatusInternalServerError, "server_error")
	if strings.Contains(rec.Body.String(), errDown.Error()) || !strings.Contains(w.log.String(), errDown.Error()) {
		t.Errorf("the cause belongs into the log and not into the answer: %s\n%s", rec.Body, w.log.String())
	}
	if len(w.events) > 0 {
		t.Errorf("events %+v", w.events)
	}
	for _, req := range w.asked { // the limits need the address
		if req.Address != "192.0.2.7" || req.RequestID != "request-1" {
			t.Errorf("asked as %+v", req)
		}
	}
	// Bearer is no login here: who has a token learns nothing about others.
	r := httptest.NewRequest(http.MethodPost, oauth2.IntrospectPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+form.Get("token"))
	w.failed("a bearer", w.do(r), http.StatusUnauthorized, "invalid_client")
}

// A guess could be taken for the truth.
func TestIntrospectDoesNotGuess(t *testing.T) {
	w := newWorld(t)
	w.check["id-1"] = revocation.ErrUnknown
	w.failed("not fresh", w.introspect(w.mint("id-1", "corp/alice")), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.storeErr = errDown
	w.failed("sessions unknown", w.introspect(refreshToken), http.StatusServiceUnavailable, "temporarily_unavailable")
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	token := w.mint("id-1", "corp/alice")
	done := func(what string, rec *httptest.ResponseRecorder) {
		t.Helper()
		if rec.Code != http.StatusOK || rec.Body.Len() > 0 {
			t.Errorf("%s: status %d, %q; want an empty 200", what, rec.Code, rec.Body)
		}
	}
	done("access token", w.revoke(token))
	want := map[string]revocation.Order{"id-1": {By: "corp/alice", Reason: "by its bearer", Until: w.now.Add(5 * time.Minute)}}
	if diff := cmp.Diff(want, w.orders); diff != "" {
		t.Error(diff)
	}
	done("refresh token", w.revoke(refreshToken))
	if w.ended["session-1"] != "corp/alice" {
		t.Errorf("ended %v", w.ended)
	}
	if len(w.events) != 2 || w.events[0].Action != audit.TokenRevoked || w.events[0].DecisionID != "id-1" || w.events[0].User != "corp/alice" ||
		w.events[1].Action != audit.SessionRevoked || w.events[1].Outcome != audit.Success || w.events[1].User != "corp/alice" || w.events[1].SessionID != "session-1" {
		t.Errorf("events %+v", w.events)
	}
	// What is no token of ours, or no longer one, is as good as revoked.
	w.check["id-1"] = &revocation.RevokedError{Kind: feed.RevokeToken}
	clear(w.orders)
	for what, token := range map[string]string{
		"again": token, "forged": token + "x", "unknown": "dbrt_other", "a stranger's": newWorld(t).mint("id-9", "corp/alice"), "dots": "..",
	} {
		done(what, w.revoke(token))
	}
	if len(w.orders) > 0 || len(w.events) > 2 {
		t.Errorf("something was written for it: %v, %+v", w.orders, w.events)
	}
}

// A registry takes a token for a while after its end, and so it can be revoked.
func TestRevokeWhatRegistriesStillTake(t *testing.T) {
	w := newWorld(t)
	token := w.mint("id-1", "corp/alice")
	w.now = w.now.Add(5*time.Minute + tokens.Leeway - time.Second)
	if rec := w.revoke(token); rec.Code != http.StatusOK || len(w.orders) != 1 {
		t.Errorf("status %d, orders %v", rec.Code, w.orders)
	}
}

// 200 is a promise: without the store nothing of it is given.
func TestRevokeNeedsTheStore(t *testing.T) {
	w := newWorld(t)
	w.storeErr = errDown
	w.check["id-1"] = revocation.ErrUnknown
	w.failed("access token", w.revoke(w.mint("id-1", "corp/alice")), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.failed("refresh token", w.revoke(refreshToken), http.StatusServiceUnavailable, "temporarily_unavailable")
	if len(w.events) != 1 || w.events[0].Outcome != audit.Unknown {
		t.Errorf("events %+v", w.events)
	}
	// While it is unknown what was revoked, revoking works.
	w.storeErr = nil
	if rec := w.revoke(w.mint("id-1", "corp/alice")); rec.Code != http.StatusOK || len(w.orders) != 1 {
		t.Errorf("status %d, orders %v", rec.Code, w.orders)
	}
}

// Everybody can have anonymous tokens, as many as they like: each must not cost a
// write to the disk.
func TestRevokeRefusesAnonymousTokens(t *testing.T) {
	w := newWorld(t)
	w.failed("anonymous", w.revoke(w.mint("id-1", "")), http.StatusBadRequest, "unsupported_token_type")
	if len(w.orders)+len(w.events) > 0 {
		t.Errorf("%v, %+v", w.orders, w.events)
	}
}

func TestMalformedRequests(t *testing.T) {
	w := newWorld(t)
	good := w.mint("id-1", "corp/alice")
	for _, path := range []string{oauth2.IntrospectPath, oauth2.RevokePath} {
		send := func(method, target, contentType, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, target, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			r.SetBasicAuth("auditor", auditorPW)
			return w.do(r)
		}
		const form = "application/x-www-form-urlencoded"
		get := send(http.MethodGet, path+"?token="+good, form, "")
		w.failed("GET", get, http.StatusMethodNotAllowed, "invalid_request")
		if got := get.Header().Get("Allow"); got != http.MethodPost {
			t.Errorf("Allow is %q", got)
		}
		for what, rec := range map[string]*httptest.ResponseRecorder{
			"no token":             send(http.MethodPost, path, form, ""),
			"an empty token":       send(http.MethodPost, path, form, "token="),
			"a token in the query": send(http.MethodPost, path+"?token="+good, form, ""),
			"two tokens":           send(http.MethodPost, path, form, "token=a&token=b"),
			"two hints":            send(http.MethodPost, path, form, "token=a&token_type_hint=x&token_type_hint=y"),
			"JSON":                 send(http.MethodPost, path, "application/json", `{"token":"a"}`),
			"no content type":      send(http.MethodPost, path, "", "token=a"),
			"a bad escape":         send(http.MethodPost, path, form, "token=%zz"),
			"a megabyte":           send(http.MethodPost, path, form, "token="+strings.Repeat("a", 1<<20)),
		} {
			w.failed(path+": "+what, rec, http.StatusBadRequest, "invalid_request")
		}
	}
	if len(w.orders) > 0 {
		t.Errorf("revoked %v", w.orders)
	}
}

// No token is in an error, an event or the log.
func TestNoTokenIsTold(t *testing.T) {
	w := newWorld(t)
	w.storeErr = errDown
	token := w.mint("id-1", "corp/alice")
	w.check["id-1"] = revocation.ErrUnknown
	text := ""
	for _, shown := range []string{token, refreshToken} {
		text += w.revoke(shown).Body.String() + w.introspect(shown).Body.String()
	}
	text += w.log.String() + fmt.Sprintf("%+v", w.events)
	for _, secret := range []string{strings.Split(token, ".")[2], refreshToken, auditorPW} {
		if strings.Contains(text, secret) {
			t.Errorf("%.12s... is told:\n%s", secret, text)
		}
	}
}
